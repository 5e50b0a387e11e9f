"""The arithmetic of a round: 10 training, 4 validation and 6 test cases."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fedgraft.client.check.measure import CaseTimes, Surroundings
from fedgraft.client.check.sections.cost import cost, first_seconds, kept_rows, round_seconds, transfer_seconds
from fedgraft.common.interfaces.input_kind import InputFacts
from fedgraft.common.models.traffic import Volume
from fedgraft.common.plan.plan import Plan

COUNTS = {"train": 10, "val": 4, "test": 6}
MEASURED = CaseTimes(
    8, decode=0.2, compute=0.3, view=0.25, train=0.1, evaluate=0.05, peak_bytes=600_000_000, row_bytes=1000
)
VOLUME = Volume(question=2000, backbone=17_000_000, down=3_000_000, up=2_500_000, last=3_000_000)
AROUND = Surroundings(memory=1_000_000_000, disk=10**12, uplink=20.0, backbone_here=False, on_disk=True, pixels=0)

FACTS = InputFacts("", one="image", a="an image", every="the images", taken="the images", take="decode")


@pytest.fixture
def plan(compose_plan: Callable[..., Plan]) -> Plan:
    return compose_plan(
        "augment=mild",
        "augment.views=3",
        "train.epochs=2",
        "rounds=10",
        "patience.deadline=100",
        "patience.quorum_sites=1",
    )


def found(plan: Plan, what: str, measured: CaseTimes = MEASURED, around: Surroundings = AROUND) -> str:
    (finding,) = [one for one in cost(plan, FACTS, COUNTS, measured, VOLUME, around).findings if one.what == what]
    return str(finding).replace(f" {what}:", "")


def test_numbers_by_hand(plan: Plan) -> None:
    assert kept_rows(plan, COUNTS) == 10 * 3 + 4 + 6
    assert first_seconds(plan, COUNTS, MEASURED) == 20 * (0.2 + 0.3) + 10 * 2 * 0.25
    assert round_seconds(plan, COUNTS, MEASURED) == pytest.approx(10 * 2 * 0.1 + 10 * 0.05)
    assert transfer_seconds(2_500_000, 20.0) == 1.0


def test_time_before_the_first_round(plan: Plan) -> None:
    text = "about 15.0 s once, to decode and compute 20 cases (measured on 8 cases)"
    assert found(plan, "time before the first round") == f"ok       {text}"
    slow = replace(MEASURED, decode=9.7)
    assert found(plan, "time before the first round", slow) == (
        "warning  about 3 min once, to decode and compute 20 cases (measured on 8 cases); the run goes on without this "
        "site until it is ready: raise patience.deadline=100 (seconds)"
    )


@pytest.mark.parametrize(("train", "grade"), [(0.1, "ok"), (2.5, "warning"), (5.0, "problem")])
def test_time_of_a_round(plan: Plan, train: float, grade: str) -> None:
    """20 trainings of a case, 0.5 s of evaluation, 1 s to send; 50 s and 100 s are the bounds."""
    text = found(plan, "time of a round", replace(MEASURED, train=train))
    assert text.startswith(f"{grade:<8} about {20 * train + 1.5:.1f} s each (measured on 8 cases)")
    assert "with 1.0 s each to send" in text
    assert ("patience.deadline=100 s; ask for a longer one" in text) == (grade != "ok")


def test_memory(plan: Plan) -> None:
    assert found(plan, "memory") == "ok       600 MB at most, measured on 8 cases; there are 1.0 GB"
    in_memory = replace(AROUND, on_disk=False, pixels=50_000_000)
    much = replace(MEASURED, row_bytes=3_750_000)
    assert found(plan, "memory", much, in_memory) == (
        "warning  800 MB at most, measured on 8 cases and with 200 MB kept in memory; there are 1.0 GB; set a smaller "
        "`batch` or fewer `workers` in site.yaml; or keep: disk"
    )
    assert found(plan, "memory", replace(MEASURED, peak_bytes=1_100_000_000)).startswith("problem  1.1 GB at most")


def test_bytes(plan: Plan) -> None:
    text = "each round 2.5 MB up (and an evaluation of a few kB) and 3.0 MB down"
    assert found(plan, "bytes") == (
        f"ok       {text}; once 17.0 MB down, the backbone; 1.0 s to send at the stated 20 Mbit/s"
    )
    unknown = replace(AROUND, uplink=None, backbone_here=True)
    assert found(plan, "bytes", around=unknown) == (
        f"ok       {text}; at 10 Mbit/s, 2.0 s to send; the line's speed was not measured; state it with --uplink MBIT"
    )
    slow = replace(AROUND, uplink=0.1)
    assert found(plan, "bytes", around=slow).startswith("warning  each round") and "200 s" not in text
    assert found(plan, "bytes", around=slow).endswith("ask for a plan with compression, or for a faster line")


def test_disk(plan: Plan) -> None:
    """40 rows of 1 kB, 5 kB of pixels and a backbone of 17 MB."""
    assert found(plan, "disk") == "ok       17.0 MB at most, besides what is kept already; 1.0 TB free"
    here = replace(AROUND, backbone_here=True, disk=49_999, pixels=5000)
    assert found(plan, "disk", around=here) == (
        "problem  45.0 kB at most, besides what is kept already; 50.0 kB free; make room, or put `store` in "
        "site.yaml on another disk"
    )


def test_the_grid_names_views_only_if_there_are_some(plan: Plan, compose_plan: Callable[..., Plan]) -> None:
    names = [row[0] for row in cost(plan, FACTS, COUNTS, MEASURED, VOLUME, AROUND).grids[0].rows]
    assert names[0] == "decode an image, once"
    assert "each further view of a training case, once" in names
    plain = [row[0] for row in cost(compose_plan(), FACTS, COUNTS, MEASURED, VOLUME, AROUND).grids[0].rows]
    assert len(plain) == len(names) - 1
