"""What each release could tell is said in words, and what a plan asks beyond the bounds by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fedgraft.client.check.sections.releases import releases
from fedgraft.client.review.words import what_leaves
from fedgraft.client.site.bounds import Bounds
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

SITE = SiteFile("north", Path("manifest.csv"), Path("state"))


def said(site: SiteFile, plan: Plan | None = None) -> dict[str, str]:
    return {one.what: f"{one.grade}: {one.text}" for one in releases(site, plan, None).findings}


def test_every_release_that_is_on_is_said() -> None:
    found = said(replace(SITE, release=ReleasePolicy(columns=("sex",))))
    assert set(found) == {
        *("update", "number", "train_loss", "class_counts", "sums", "unusable", "evaluation", "columns"),
    }
    assert "rests on fewer than 5 patients" in found["update"] and "rows at a site without this" in found["update"]
    assert "groups of 5 neighbours" in found["evaluation"] and "by sex" in found["columns"]


def test_what_is_off_is_not_said() -> None:
    nothing = ReleasePolicy(train_loss=False, evaluation=False, class_counts=False, quarantine=False, statistics=False)
    assert set(said(replace(SITE, release=nothing))) == {"update", "number"}


def test_what_opens_a_site_is_a_warning() -> None:
    site = replace(SITE, release=ReleasePolicy(scores="fine", min_patients=1))
    found = releases(site, None, None).findings
    assert [one.what for one in found if one.grade == "warning"] == ["update", "evaluation"]
    assert any("60 cases of 60" in one.text for one in found)


def test_a_plan_of_gradients_and_one_beyond_the_bounds(compose_plan: Callable[..., Plan]) -> None:
    exact = compose_plan("strategy=exact", "head=plain", "strategy.weakest=0.1", "rounds=1")
    assert "sums of gradients" in said(SITE, exact)["gradient"]
    assert said(SITE, exact)["bounds"] == "ok: the plan asks for nothing beyond them"
    plan = compose_plan("rounds=20")
    found = releases(replace(SITE, bounds=Bounds(rounds=10, parameters=3)), plan, build(plan, None)).findings
    problems = [one.text for one in found if one.grade == "problem"]
    assert problems[0] == "rounds=20 is above bounds.rounds=10" and "bounds.parameters=3" in problems[1]


def test_what_makes_a_plan_dangerous_is_a_warning_by_name(compose_plan: Callable[..., Plan]) -> None:
    exact = compose_plan("strategy=exact", "head=plain", "strategy.weakest=0.1", "rounds=1")
    found = said(SITE, exact)["gradients in the clear"]
    assert found.startswith("warning: with strategy=exact in the clear the coordinator has dozens of gradients")
    assert "gradients in the clear" not in said(SITE, compose_plan())


def test_of_a_plan_with_a_promise_that_is_said_and_nothing_else(compose_plan: Callable[..., Plan]) -> None:
    found = said(SITE, compose_plan("privacy=record", "privacy.epsilon=1"))
    assert set(found) == {"promise", "bounds"}
    assert found["promise"].startswith("ok: numbers with noise only, each with all of its noise")
    assert "up to 2.7 times as likely: epsilon 1, delta 1e-05" in found["promise"]
    seen = said(SITE, compose_plan("privacy=site"))["promise"]
    assert seen.startswith("warning: one update a round") and "The coordinator sees this site's update as it is" in seen
    hidden = said(SITE, compose_plan("privacy=site", "aggregation=secure"))["promise"]
    assert hidden.startswith("ok: ") and hidden.endswith("Noise is added here, and the coordinator sees the sum")


def test_what_leaves_with_noise_is_said_to_who_approves(compose_plan: Callable[..., Plan]) -> None:
    exact = dict(what_leaves(SITE, compose_plan("privacy=record_evaluated")))
    assert exact["before the first round"] == (
        "the number of training patients with noise; training patients by class with noise; mean and mean square of "
        "each feature with noise"
    )
    assert exact["in each round"] == "gradients at given weights with noise"
    assert exact["at the end"] == "counts of scores of validation and test patients in coarse bins, with noise"
    once = dict(what_leaves(SITE, compose_plan("privacy=record_once", "rounds=0")))
    assert once["in each round"] == "nothing"
    assert once["before the first round"].endswith("sums of features and their products with noise")
    plain = dict(what_leaves(SITE, compose_plan()))
    assert plain["before the first round"].startswith("the number of training cases; training cases by class")
