"""``features.keep``: the federated choice is that from pooled cases, and the rest of a run is as if there were no other
features."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, Message
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.preprocessing import StandardScaler

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.server.reports.summary import summary

from .conftest import Hospitals, Numbers, Rows, Run, dealt, same

PlanOf = Callable[..., Plan]
RunOver = Callable[..., Run]
KEEP = "features.keep=2"
WITHHOLDS = "{min_count: 1, statistics: false}"
EIGHT = dealt(3, (20,) * 8, (0.5,) * 8)
DIFFERENT = dealt(5, (60, 40, 50), (0.2, 0.5, 0.8))


def scaled(held: Hospitals, scale: str) -> dict[str, Numbers]:
    """All numbers of each hospital as scikit-learn scales them."""
    everyone = StandardScaler().fit(np.concatenate([rows.train for rows in held.values()]))
    if scale == "case":
        return {name: StandardScaler().fit_transform(rows.numbers.T).T for name, rows in held.items()}
    scalers = {name: StandardScaler().fit(rows.train) if scale == "own" else everyone for name, rows in held.items()}
    return {name: r.numbers if scale == "none" else scalers[name].transform(r.numbers) for name, r in held.items()}


def chosen(held: Hospitals, numbers: dict[str, Numbers]) -> list[int]:
    """The two numbers that scikit-learn selects from all hospitals' training cases together."""
    train = {name: np.array([split == "train" for split in rows.splits]) for name, rows in held.items()}
    together = np.concatenate([numbers[name][train[name]] for name in held])
    labels = np.concatenate([rows.train_labels for rows in held.values()])
    found: list[int] = np.flatnonzero(SelectKBest(f_classif, k=2).fit(together, labels).get_support()).tolist()
    return found


def kept(found: Run) -> list[int]:
    places: list[int] = found.state()["keep.kept"].tolist()
    return places


@pytest.mark.parametrize("scale", ["none", "case", "common", "own"])
@pytest.mark.parametrize("held", [dealt(), DIFFERENT, EIGHT], ids=["alike", "different", "eight"])
def test_the_choice_is_that_from_pooled_scaled_cases(
    numbers_plan: PlanOf, run_over: RunOver, held: Hospitals, scale: str
) -> None:
    found = run_over(numbers_plan(f"features.scale={scale}", KEEP, "rounds=1"), held)
    assert kept(found) == chosen(held, scaled(held, scale))
    assert found.state()["head.weight"].shape == (2, 2)
    assert [(e.site, e.outcome, e.reason) for e in found.ledger.entries if e.what == "ranking"] == [
        (site, "ok", "") for site in held
    ]


@pytest.mark.parametrize(
    "more",
    [
        ("strategy=fedavg",),
        ("initial=ridge", "initial.alpha=1", "rounds=0"),
        ("initial=prototypes",),
        ("strategy=exact", "strategy.weakest=0.1", "rounds=1"),
        ("strategy=fedadam", "strategy.eta=0.1"),
        ("sampling=smote",),
    ],
    ids=lambda more: more[0],
)
@pytest.mark.parametrize("held", [dealt(), EIGHT], ids=["alone", "together"])
def test_the_head_is_that_of_a_plan_without_the_other_features(
    numbers_plan: PlanOf, run_over: RunOver, held: Hospitals, more: tuple[str, ...]
) -> None:
    """Numbers that are left out, set to 0 beforehand: a head with all of them gives them no weight. Own scale."""
    numbers = scaled(held, "own")
    two = chosen(held, numbers)
    others = [place for place in range(4) if place not in two]
    for values in numbers.values():
        values[:, others] = 0.0
    found = run_over(numbers_plan("features.scale=own", KEEP, *more), held)
    by_hand = run_over(
        numbers_plan("features.scale=none", *more), {name: r.holding(numbers[name]) for name, r in held.items()}
    )
    weight = by_hand.state()["head.weight"]
    assert weight[:, others].abs().max() < 1e-6
    reduced = {"head.weight": weight[:, two], "head.bias": by_hand.state()["head.bias"]}
    assert same(found.state(), reduced, 2e-4)
    for site in held:
        assert found.figure(site) == pytest.approx(by_hand.figure(site), rel=1e-3)


def test_a_held_out_site_has_no_part_in_the_choice_and_is_given_it(numbers_plan: PlanOf, run_over: RunOver) -> None:
    """Its labels, turned round, would change the choice."""
    held = dealt(5, (30, 30, 200), (0.5, 0.5, 0.5))
    rng = np.random.default_rng(0)
    other = held["site-2"].holding(rng.normal(size=(200, 4)) + np.outer(held["site-2"].labels, [0.0, 0.0, 9.0, 9.0]))
    plan = numbers_plan("features.scale=none", KEEP, "hold_out=[site-2]", "rounds=1")
    found = run_over(plan, {**held, "site-2": other})
    trained = {name: held[name] for name in ("site-0", "site-1")}
    assert kept(found) == chosen(trained, scaled(trained, "none")) != [2, 3]
    assert {e.site for e in found.ledger.entries if e.what == "ranking"} == {"site-0", "site-1"}
    assert np.isfinite(found.figure("site-2"))


def test_with_class_balanced_moments_a_held_out_site_estimates_its_prevalence(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    found = run_over(numbers_plan("features.scale=own_balanced", KEEP, "hold_out=[site-2]"), hospitals)
    assert np.isfinite(found.figure("site-2"))


@pytest.mark.parametrize("chooses", ["common", "own"])
def test_auto_compares_scales_each_with_its_own_choice(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals, chooses: str
) -> None:
    found = run_over(numbers_plan("features.scale=auto", KEEP, "rounds=1"), hospitals)
    alone = numbers_plan(f"features.scale={chooses}", KEEP, "initial=ridge", "rounds=0", "initial.alpha=[3000,300,30]")
    expected = run_over(alone, hospitals)
    assert found.outcome.choices["features.scale"][chooses] == pytest.approx(
        max(expected.outcome.choices["initial"].values()), abs=1e-6
    )
    assert len([e for e in found.ledger.entries if e.what == "ranking"]) == 2 * len(hospitals)
    if float(found.state()["scale.own"]) == (chooses == "own"):
        assert kept(found) == kept(expected)


def test_the_choice_goes_down_and_never_back(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    found = run_over(numbers_plan("features.scale=common", KEEP), hospitals)
    updates = [reply.content for reply in found.messages if reply.metadata.message_type == "train"]
    for content in updates:
        arrays = [name for record in content.values() if isinstance(record, ArrayRecord) for name in record]
        assert sorted(arrays) == ["head.bias", "head.weight"]
    lines = (found.folder / "site-0" / "state" / "released.jsonl").read_text().splitlines()
    (line,) = [line for line in map(json.loads, lines) if line["what"] == "ranking"]
    assert {name: shape for name, (shape, _) in line["tensors"].items()} == {
        "counts": [2],
        "sums": [2, 4],
        "squares": [4],
    }


def told(found: Run) -> dict[str, object]:
    return summary(found.plan, found.outcome, found.ledger, 1.0)


def test_the_summary_says_where_features_come_from(numbers_plan: PlanOf, run_over: RunOver) -> None:
    found = told(run_over(numbers_plan(KEEP, "rounds=1"), dealt()))
    assert (found["kept"], found["ranking_without"]) == ({"backbone": 2}, [])
    assert told(run_over(numbers_plan("rounds=1"), dealt()))["kept"] == {}


def test_who_withholds_sums_is_named_and_left_out(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    quiet = replace(hospitals["site-1"], release=WITHHOLDS)
    few = replace(hospitals["site-0"], release="{min_count: 1000, min_patients: 1}")
    found = run_over(numbers_plan("features.scale=none", KEEP), {**hospitals, "site-0": few, "site-1": quiet})
    alone = {"site-2": hospitals["site-2"]}
    assert kept(found) == chosen(alone, scaled(alone, "none"))
    assert told(found)["ranking_without"] == ["site-0", "site-1"]
    reasons = {e.site: e.reason for e in found.ledger.entries if e.what == "ranking"}
    words = "it told no sums: release.statistics or release.class_counts forbids it, or fewer patients than min_count"
    assert reasons["site-0"].startswith(words) and reasons["site-1"].startswith(words) and reasons["site-2"] == ""
    assert set(found.outcome.final.by_site) == set(hospitals), "they train"


def test_an_answer_that_is_not_believed_is_left_out_by_name(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "query.sums":
            reply.content["sums"] = messages.pack_tensors({"counts": torch.tensor([1.0, 2.0]).double()})
        return reply

    found = run_over(numbers_plan("features.scale=none", KEEP), hospitals, {"site-1": tamper})
    (entry,) = [e for e in found.ledger.entries if e.what == "ranking" and e.site == "site-1"]
    assert entry.outcome == "bad-sums" and told(found)["ranking_without"] == ["site-1"]


def test_if_nobody_tells_sums_the_run_ends_with_all_reasons(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    quiet = {name: replace(rows, release=WITHHOLDS) for name, rows in hospitals.items()}
    with pytest.raises(RoundError) as caught:
        run_over(numbers_plan("features.scale=own", KEEP), quiet)
    head, *lines = str(caught.value).splitlines()
    assert head == "features.keep=2: no site told its sums; set it to null"
    assert [line.partition(":")[0] for line in lines] == [f"  - {site}" for site in hospitals]


def test_one_class_alone_ranks_nothing(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    alike = {name: Rows(r.numbers, np.zeros_like(r.labels), r.splits) for name, r in hospitals.items()}
    with pytest.raises(RoundError) as caught:
        run_over(numbers_plan("features.scale=own", KEEP), alike)
    assert str(caught.value) == (
        "features.keep=2: all cases of the sites that told their sums are of one class; set it to null"
    )
