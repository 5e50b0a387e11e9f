"""The plan's clock: what it may say, and that only who is away has a part in the digest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict, from_json

PlanOf = Callable[..., Plan]


@pytest.fixture
def raw(plan_of: PlanOf) -> dict[str, Any]:
    """A plan with a clock in which everybody always answers."""
    plain = plan_of("clock=clinics").to_dict()
    plain["clock"]["sites"] = {}
    return plain


def test_no_clock_is_the_default_and_a_plan_file_need_not_name_it(plan_of: PlanOf) -> None:
    plan = plan_of()
    plain = plan.to_dict()
    assert plan.clock is None and plain.pop("clock") is None
    assert from_dict(plain) == plan


def test_a_clock_is_written_and_read_back(plan_of: PlanOf) -> None:
    plan = plan_of("clock=clinics", "+clock.sites.site-03.uplink=2", "clock.case_seconds.train=0.001")
    assert from_json(plan.to_json()) == plan
    assert plan.clock is not None and plan.clock.sites["site-03"] == {"uplink": 2.0}
    assert plan.to_dict()["clock"]["sites"]["#1"] == {"uplink": 2.0, "downlink": 16.0}


def test_lines_and_machines_have_no_part_in_the_digest(plan_of: PlanOf, raw: dict[str, Any]) -> None:
    assert from_dict(raw).digest == plan_of().digest
    raw["clock"]["default"]["speed"] = 7
    raw["clock"]["sites"] = {"birch": {"uplink": 2, "availability": 1}}
    assert from_dict(raw).digest == plan_of().digest


def test_who_may_be_away_has_a_part_in_the_digest(raw: dict[str, Any]) -> None:
    """Every way of writing another availability is another digest, also a name that takes back its position's."""
    digests = {from_dict(raw).digest}
    for usual, sites in ((0.9, {}), (1, {"#2": 0.9}), (1, {"#2": 0.8}), (1, {"#2": 0.9, "birch": 1}), (0.9, {"#2": 1})):
        raw["clock"]["default"]["availability"] = usual
        raw["clock"]["sites"] = {name: {"availability": value} for name, value in sites.items()}
        digests.add(from_dict(raw).digest)
    assert len(digests) == 6


@pytest.mark.parametrize(
    ("section", "option", "value", "why"),
    [
        ("default", "speed", 0, "greater than 0"),
        ("default", "uplink", -1, "greater than 0"),
        ("default", "downlink", float("inf"), "finite"),
        ("default", "availability", 0, "greater than 0"),
        ("default", "availability", 1.5, "less than or equal to 1"),
        ("sites.birch", "uplink", 0, "greater than 0"),
        ("sites.birch", "availability", 1.5, "less than or equal to 1"),
        ("case_seconds", "keep", -1, "greater than or equal to 0"),
        ("", "latency", -1, "greater than or equal to 0"),
        ("", "offline_seconds", "long", "number"),
    ],
)
def test_a_value_that_cannot_be_is_named(raw: dict[str, Any], section: str, option: str, value: Any, why: str) -> None:
    place = raw["clock"]
    for name in filter(None, section.split(".")):
        place = place.setdefault(name, {})
    place[option] = value
    with pytest.raises(PlanError) as caught:
        from_dict(raw)
    (problem,) = caught.value.problems
    path = ".".join(filter(None, ("clock", section, option)))
    assert problem.startswith(f"{path}={value!r}: ") and why in problem


@pytest.mark.parametrize(
    "path", ["clock.bogus", "clock.default.bogus", "clock.sites.birch.bogus", "clock.case_seconds.x"]
)
def test_an_unknown_option_is_named(raw: dict[str, Any], path: str) -> None:
    *sections, name = path.split(".")
    place = raw
    for section in sections:
        place = place.setdefault(section, {})
    place[name] = 1
    with pytest.raises(PlanError) as caught:
        from_dict(raw)
    assert caught.value.problems == (f"{path} is not an option",)


@pytest.mark.parametrize("option", ["default", "sites", "latency", "offline_seconds", "case_seconds"])
def test_a_missing_option_is_named(raw: dict[str, Any], option: str) -> None:
    del raw["clock"][option]
    with pytest.raises(PlanError) as caught:
        from_dict(raw)
    assert caught.value.problems == (f"clock.{option} is missing",)
