"""Scores in groups beside the headline: subgroups, confounding, a round's line, external figures. The same rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedgraft.common import tasks
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.wire.external import External, pack_external, unpack_external
from fedgraft.server.deployment.public.evaluations import Kept
from fedgraft.server.evidence.evidence import gather
from fedgraft.server.evidence.external import external_table
from fedgraft.server.reports.summary import round_line
from fedgraft.server.rounds.state import Round
from fedgraft.server.watching.observed import few_of, figure_of, groups_of
from fedgraft.server.watching.words import figure_with_mark

from .outcomes import PlanOf, evaluated
from .test_grouped import apart, offered


def test_a_subgroup_of_too_few_groups_has_no_rank(compose_plan: PlanOf) -> None:
    """Of 14 and 40 women no rank is given, of 40 and 40 men it is; what is called yes at 0.5 is counted exactly."""
    plan = compose_plan("audit.columns=[sex]", "calibration=none", "decide.by_site=pooled")
    (scored,) = tasks.of(plan.data).scored
    made = offered(plan, {"north": {"val": apart(plan, 14, 40), "test": apart(plan, 60, 60)}})
    groups = {"F": apart(plan, 14, 40).merged(5), "M": apart(plan, 40, 40).merged(5)}
    made = replace(made, final=replace(made.final, subgroups={"north": {"sex": groups}}))
    found = gather(plan, made).figures["subgroups"]["sex"]
    few, enough = (found["groups"][name] for name in "FM")
    assert (few["auroc"], few["blurred"], few["cases"]) == (None, True, 54)
    of_few = few["classes"][scored]
    assert (of_few["auroc"], of_few["intercept"], of_few["blurred"]) == (None, None, True)
    assert [of_few[name]["value"] for name in ("sensitivity", "specificity")] == [1.0, 1.0], "raw, at log odds of 0"
    assert enough["auroc"] > 0.98 and "blurred" not in enough and enough["classes"][scored]["auroc"][0] > 0.98
    assert found["gaps"][scored]["auroc"] is None and found["gaps"][scored]["sensitivity"]["gap"] == 0.0
    assert found["sites"]["north"]["F"]["auroc"] is None


def test_at_a_fitted_threshold_too_few_groups_tell_no_calls(compose_plan: PlanOf) -> None:
    plan = compose_plan(
        "audit.columns=[sex]", "calibration=none", "decide.by_site=pooled", "decide.at=sensitivity", "decide.value=0.9"
    )
    (scored,) = tasks.of(plan.data).scored
    made = offered(plan, {"north": {"val": evaluated(plan, 200, 1.0), "test": apart(plan, 60, 60)}})
    groups = {"F": apart(plan, 14, 40).merged(5), "M": apart(plan, 40, 40).merged(5)}
    made = replace(made, final=replace(made.final, subgroups={"north": {"sex": groups}}))
    found = gather(plan, made).figures["subgroups"]["sex"]["groups"]
    assert "sensitivity" not in found["F"]["classes"][scored] or found["F"]["classes"][scored]["sensitivity"] is None
    assert found["M"]["classes"][scored]["sensitivity"] is not None


@pytest.mark.parametrize(("cases", "groups"), [(14, "not given"), (15, "marked")])
def test_the_confounding_says_what_groups_leave(compose_plan: PlanOf, cases: int, groups: str) -> None:
    plan = compose_plan()
    tests = {"a": {"test": apart(plan, 90, cases)}, "b": {"test": apart(plan, cases, 90)}}
    found = gather(plan, offered(plan, tests))
    assert (
        found.figures["confounding"]["headline"] == "within_site" and found.figures["confounding"]["groups"] == groups
    )
    (said,) = [one for one in found.warnings if one.startswith("the figure to go by")]
    assert ("not given here: scores came in too few groups" in said) is (groups == "not given")
    assert ("both are a little too low, as scores came in groups" in said) is (groups == "marked")
    exact = offered(plan, tests, 1)
    exact = replace(exact, offers={name: replace(one, grouped=0) for name, one in exact.offers.items()})
    assert "groups" not in gather(plan, exact).figures["confounding"]


def line(by_site: dict[str, dict[str, Evaluation]], grouped: dict[str, int], task: Any, **more: Any) -> dict[str, Any]:
    return round_line(Round(3, task, by_site=by_site, grouped=grouped, **more))


def test_a_rounds_line_and_whoever_watches_it(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    task, large, small = tasks.of(plan.data), apart(plan, 100, 100), apart(plan, 14, 14)
    both = {"north": {"test": large}, "south": {"test": small}}
    found = line(both, {"north": 5, "south": 5}, task)
    assert found["scores"] == {"too_few": {"val": [], "test": ["south"]}, "ranked": {"val": True, "test": False}}
    assert found["sites"]["south"]["test"]["auroc"] == 1.0, "as it came"
    assert figure_of(found, "auroc", few_of(found)) is None and groups_of(found) == "not given"
    assert figure_of(found["sites"]["south"], "auroc", few_of(found, "south")) is None
    assert figure_of(found["sites"]["north"], "auroc", few_of(found, "north")) == 1.0
    assert figure_with_mark("AUROC", None, "not given") == "AUROC not given (scores in too few groups)"

    mostly = line({"north": {"test": apart(plan, 200, 200)}, "south": {"test": small}}, {"north": 5, "south": 5}, task)
    assert mostly["scores"]["ranked"]["test"] and groups_of(mostly) == "marked"
    assert (
        figure_with_mark("AUROC", figure_of(mostly, "auroc", few_of(mostly)), "marked")
        == "AUROC 1.000 (scores in groups)"
    )
    held = line(both, {"north": 5, "south": 5}, task, central=large)
    assert held["scores"]["ranked"]["test"] and figure_of(held, "auroc", few_of(held)) == 1.0
    exact = line(both, {"north": 0, "south": 0}, task)
    assert "scores" not in exact and groups_of(exact) == "" and few_of(exact) == []
    assert figure_with_mark("AUROC", 1.0, "") == "AUROC 1.000" and figure_with_mark("AUROC", None, "") == "-"


def test_external_figures_from_groups(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    task = tasks.of(plan.data)

    def kept(site: str, negatives: int, positives: int, grouped: int) -> Kept:
        told = External("ab", False, apart(plan, negatives, positives).merged(grouped or 1), grouped)
        back = unpack_external(pack_external(told), task)
        assert back.grouped == grouped
        return Kept(site, "2026-11-30T00:00:00Z", back)

    small, large, fine = kept("east", 14, 14, 5), kept("west", 90, 90, 5), kept("fine", 14, 14, 0)
    _, *rows = external_table(task, [small, large, fine], None)
    east, west, exact, together = (" ".join(row.split()) for row in rows)
    assert east == "east 28 not given 2026-11-30 scores in too few groups to rank cases"
    assert west.startswith("west 180 1.000 [") and west.endswith("a little too low: scores in groups of 5 cases")
    assert exact.startswith("fine 28 1.000 [")
    assert together == (
        "together 236 not given the 3 sites that did not train it, scores in too few groups to rank cases"
    )
    *_, together = external_table(task, [large, fine], None)
    assert together.split()[2] == "1.000"
