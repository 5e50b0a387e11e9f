"""Virtual time worked out by hand: two sites, one slow; and what must hold of any timeline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.sections import CaseSeconds, ClockSection, Profile
from fedgraft.server.exchange.ledger import Entry
from fedgraft.simulations.clock.figures import figures, line
from fedgraft.simulations.clock.report import clock_sentences, duration
from fedgraft.simulations.clock.timeline import CaseCosts, Facts, Pace, Parts, Step, Work, profiles, timeline

FAST = Profile(speed=1.0, uplink=8.0, downlink=8.0, availability=1.0)  # 8 Mbit/s: a million bytes a second
SLOW = Profile(speed=0.5, uplink=2.0, downlink=4.0, availability=1.0)
MILLION = 1_000_000
PACE = Pace({"north": FAST, "south": SLOW}, 3.0, 60.0, CaseCosts(keep=0.1, train=0.01, evaluate=0.02), 5 * MILLION)


def entry(number: int, what: Any, site: str, outcome: str = "ok", down: int = MILLION, up: int = MILLION) -> Entry:
    return Entry(number, what, site, 0, outcome, "", None, down, up)


def facts(*entries: Entry) -> Facts:
    """Each site trains on 100 cases and evaluates 50; two epochs."""
    return Facts(entries, {"north": Work(100, 50), "south": Work(100, 50)}, epochs=2, timeout=600.0)


WHOLE = facts(
    *(entry(1, "prepare", site, down=1000, up=500) for site in PACE.profiles),
    *(entry(number, "train", site) for number in (1, 2) for site in PACE.profiles),
    *(entry(2, "evaluate", site, up=MILLION // 2) for site in PACE.profiles),
)


def test_a_round_lasts_as_long_as_its_slowest_site() -> None:
    """Computing at speed 1: 100 cases x 2 epochs x 10 ms + 50 x 20 ms = 3 s."""
    (step,) = timeline(facts(entry(1, "train", "north"), entry(1, "train", "south")), PACE)
    assert step.sites["north"] == Parts(download=1.0, compute=3.0, upload=1.0, latency=3.0)
    assert step.sites["south"] == Parts(download=2.0, compute=6.0, upload=4.0, latency=3.0)
    assert (step.waited_for, step.seconds) == ("south", 15.0)


def test_each_gradient_of_a_fit_is_a_message_and_an_epoch() -> None:
    """Three gradients of 100 cases at 10 ms, one evaluation of 50 at 20 ms: 4 s. South leaves after two: 3 s at half
    speed, and is waited for."""
    told = [entry(1, "gradient", site) for _ in range(2) for site in ("north", "south")]
    left = entry(1, "gradient", "south", "unreachable")
    (step,) = timeline(facts(*told, entry(1, "gradient", "north"), left), PACE)
    assert step.sites["north"] == Parts(download=3.0, compute=4.0, upload=3.0, latency=9.0)
    assert step.sites["south"] == Parts(download=4.0, compute=6.0, upload=8.0, latency=6.0, offline=60.0)
    assert figures(facts(*told), PACE)["rounds"] == 1


def test_the_last_evaluation_trains_nothing() -> None:
    (step,) = timeline(facts(entry(9, "evaluate", "south", up=0)), PACE)
    assert step.sites["south"] == Parts(download=2.0, compute=2.0, latency=3.0)


def test_to_prepare_is_two_messages_with_the_backbone_whether_the_cache_held_it_or_not() -> None:
    """Twice the plan (250,000 bytes) and the backbone's 5 million: 5.5 s; 150 cases kept at 100 ms: 15 s."""
    warm = [entry(1, "prepare", "north", down=250_000, up=1000)]
    cold = [replace(warm[0], bytes_up=900), entry(1, "prepare", "north", down=5_250_000, up=1000)]
    (step,) = timeline(facts(*warm), PACE)
    assert step.sites["north"] == Parts(download=5.5, compute=15.0, upload=0.002, latency=6.0)
    assert timeline(facts(*cold), PACE) == (step,)


def test_a_site_that_cannot_be_reached_is_waited_for_and_costs_nothing_else() -> None:
    (step,) = timeline(facts(entry(1, "train", "north", "unreachable"), entry(1, "train", "south")), PACE)
    assert step.sites["north"] == Parts(offline=60.0)
    assert (step.waited_for, step.seconds) == ("north", 60.0)
    (silent,) = timeline(facts(entry(1, "train", "north", "no-answer")), PACE)
    assert silent.seconds == 600.0, "no answer: patience.deadline"


def test_a_site_whose_update_was_refused_has_worked_all_the_same() -> None:
    (step,) = timeline(facts(entry(1, "train", "north", "bad-update", up=0)), PACE)
    assert step.sites["north"] == Parts(download=1.0, compute=3.0, latency=3.0)


def test_a_node_that_was_never_prepared_takes_no_time() -> None:
    unknown = entry(1, "prepare", "node 1003", "site-error")
    twin = entry(1, "prepare", "north", "same-name", down=0, up=0)
    assert timeline(facts(unknown, twin), PACE) == ()


def test_only_those_who_were_asked_are_in_a_round_and_ties_go_to_the_first_name() -> None:
    alike = replace(PACE, profiles={"north": FAST, "south": FAST})
    one, both = timeline(facts(entry(1, "train", "south"), *(entry(2, "train", n) for n in ("south", "north"))), alike)
    assert (list(one.sites), one.waited_for, both.waited_for) == (["south"], "south", "north")


def test_the_figures_worked_out_by_hand() -> None:
    """South: rounds of 15 s, of which computing is 6 s; the last evaluation 2 + 2 + 2 + 3 s. At speed 1: 12 s, 8 s."""
    found = figures(WHOLE, PACE)
    assert (found["rounds_seconds"], found["evaluation_seconds"], found["rounds"]) == (30.0, 9.0, 2)
    prepare = 5_002_000 / 500_000 + 30.0 + 1000 / 250_000 + 6.0
    assert found["prepare_seconds"] == pytest.approx(prepare)
    assert found["total_seconds"] == pytest.approx(prepare + 39.0)
    assert found["waited_for"] == {"south": 2}
    assert found["slowest"] == {"name": "south", "rounds": 2, "part": "compute", "share": 0.4}
    what_if = {
        "option": "clock.sites.south.speed",
        "value": 1.0,
        "total_seconds": pytest.approx(prepare - 15.0 + 24 + 8),
    }
    assert found["what_if"] == what_if
    parts = {"download": 1.0, "compute": 3.0, "upload": 1.0, "latency": 3.0, "offline": 0.0, "total": 8.0}
    assert found["sites"]["north"] == {"prepare": pytest.approx(5.002 + 15 + 0.001 + 6), **parts}
    assert found["case_seconds"] == {"keep": 0.1, "train": 0.01, "evaluate": 0.02}


def test_the_sentences_say_how_long_for_whom_and_what_would_help() -> None:
    text = " ".join(clock_sentences(figures(WHOLE, PACE)))
    assert text == (
        "The federation would have taken 1 min 25 s: 46.0 s to prepare, 30.0 s for 2 rounds, 9.0 s for the last "
        "evaluation. It waited longest for south, in 2 of 2 rounds; compute was 40% of that time. "
        "With twice the speed there (1 of this machine) it would have taken 1 min 3 s."
    )


@pytest.mark.parametrize(("part", "option"), [("download", "downlink"), ("upload", "uplink")])
def test_the_remedy_is_for_the_greatest_part(part: str, option: str) -> None:
    bytes_ = {"download": {"down": 100 * MILLION}, "upload": {"up": 100 * MILLION}}[part]
    found = figures(facts(entry(1, "train", "north", **bytes_), entry(1, "evaluate", "north")), PACE)
    assert found["what_if"]["option"] == f"clock.sites.north.{option}"
    assert "8 Mbit/s" not in clock_sentences(found)[-1] and "16 Mbit/s" in clock_sentences(found)[-1]


@pytest.mark.parametrize(("outcome", "part"), [("unreachable", "offline"), ("ok", "latency")])
def test_there_is_no_remedy_for_absence_and_latency(outcome: str, part: str) -> None:
    found = figures(
        facts(entry(1, "train", "north", outcome), entry(1, "evaluate", "north")), replace(PACE, latency=99)
    )
    assert (found["slowest"]["part"], found["what_if"], len(clock_sentences(found))) == (part, None, 2)


@pytest.mark.parametrize("option", ["speed", "uplink", "downlink"])
@pytest.mark.parametrize("site", ["north", "south"])
def test_a_better_line_or_machine_never_lengthens_a_step(option: str, site: str) -> None:
    before = timeline(WHOLE, PACE)
    for factor in (1.01, 3.0, 1000.0):
        better = replace(PACE.profiles[site], **{option: factor * getattr(PACE.profiles[site], option)})
        after = timeline(WHOLE, replace(PACE, profiles={**PACE.profiles, site: better}))
        assert all(new.seconds <= old.seconds for new, old in zip(after, before, strict=True))


def test_the_total_is_the_sum_of_the_lines() -> None:
    lines = [line(step) for step in timeline(WHOLE, PACE)]
    assert [(one["round"], one["what"]) for one in lines] == [
        (1, "prepare"),
        (1, "train"),
        (2, "train"),
        (2, "evaluate"),
    ]
    assert sum(one["seconds"] for one in lines) == pytest.approx(figures(WHOLE, PACE)["total_seconds"])
    for one in lines:
        assert one["seconds"] == max(site["total"] for site in one["sites"].values())


def test_a_step_names_its_slowest_site() -> None:
    assert Step(1, "train", {"a": Parts(upload=1), "b": Parts(compute=2)}).waited_for == "b"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (250, "4 min 10 s"),
        (3599.6, "1 h 0 min"),
        (11520, "3 h 12 min"),
    ],
)
def test_durations_read_like_a_person_s(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def clock(**sites: Any) -> ClockSection:
    return ClockSection(
        FAST, {name.replace("_", "#"): some for name, some in sites.items()}, 6, 60, CaseSeconds(1, 1, 1)
    )


def test_a_site_s_profile_is_the_default_but_for_what_it_names() -> None:
    found = profiles(clock(south={"uplink": 2.0}), ["south", "north"])
    assert found == {"north": FAST, "south": replace(FAST, uplink=2.0)}


def test_a_position_counts_names_in_their_order_and_a_name_wins() -> None:
    found = profiles(
        clock(south={"uplink": 3.0}, _2={"uplink": 2.0, "speed": 0.1}, _1={"speed": 4.0}), ["south", "north"]
    )
    assert found == {"north": replace(FAST, speed=4.0), "south": replace(FAST, uplink=3.0, speed=0.1)}


def test_sites_that_the_run_does_not_have_are_named_with_those_it_has() -> None:
    with pytest.raises(PlanError) as caught:
        profiles(clock(west={}, _3={}, south={}), ["south", "north"])
    assert caught.value.problems == (
        "clock.sites.west is no site of this run; this run has north, south, or by position #1 to #2",
        "clock.sites.#3 is no site of this run; this run has north, south, or by position #1 to #2",
    )


def test_to_interpolate_is_one_message_for_each_share() -> None:
    """Two messages of 1 MB each way (8 Mbit at the line's speed) and two passes over the evaluated cases."""
    once = timeline(facts(entry(1, "interpolate", "north")), PACE)[0].sites["north"]
    twice = timeline(facts(*[entry(1, "interpolate", "north")] * 2), PACE)[0].sites["north"]
    assert twice == Parts(*(2 * part for part in (once.download, once.compute, once.upload, once.latency)))


def test_sums_are_one_pass_over_training_cases_and_part_of_preparing() -> None:
    entries = (entry(0, "sums", "north"), entry(1, "train", "north"), entry(1, "evaluate", "north"))
    step = timeline(facts(*entries), PACE)[0]
    assert step.sites["north"].compute == pytest.approx(2.0)  # 100 cases x 20 ms
    found = figures(facts(*entries), PACE)
    assert found["prepare_seconds"] == pytest.approx(step.seconds)
    parts = found["prepare_seconds"] + found["rounds_seconds"] + found["evaluation_seconds"]
    assert found["total_seconds"] == pytest.approx(parts)


def test_what_is_familiar_is_asked_of_training_cases_and_of_the_others_and_a_part_of_evaluation() -> None:
    entries = (entry(1, "train", "north"), entry(1, "evaluate", "north"), *[entry(1, "familiarity", "north")] * 2)
    *_, last, step = timeline(facts(*entries), PACE)
    assert step.sites["north"].compute == pytest.approx(2.0 + last.sites["north"].compute)  # 100 cases x 20 ms
    assert figures(facts(*entries), PACE)["evaluation_seconds"] == pytest.approx(last.seconds + step.seconds)
