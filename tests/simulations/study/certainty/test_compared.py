"""Differences with the variance of test cases: paired where scores are known, and sites with too few cases left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.areas import area_of, influence
from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.engine.predictions import CaseScores, joined
from fedgraft.simulations.study.certainty.compared import MARGIN, Judging, judging
from fedgraft.simulations.study.certainty.sampling import SeedScores, few_sites, variance_at, variance_over
from fedgraft.simulations.study.summary import Trained, summarise

TASK = Classification(("clear", "lesion"))
Floats = NDArray[np.float64]


def cohort(seed: int, cases: int = 80, positives: int = 30) -> tuple[Floats, Floats]:
    """Log odds and truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(cases)
    truth[:positives] = 1
    return rng.normal(truth, 1.0), truth


def scored_at(**sites: tuple[Floats, Floats]) -> SeedScores:
    evaluations = {}
    for site, (scores, truth) in sites.items():
        outputs = np.stack([np.zeros(len(scores)), scores], axis=1)
        (evaluations[site],) = TASK.evaluate_parts(outputs, truth.astype(np.int64), [len(scores)])
    return SeedScores(evaluations, {site: CaseScores(one[:, None], of[:, None]) for site, (one, of) in sites.items()})


def moved(scores: Floats, shift: float = 0.3) -> Floats:
    return scores + np.random.default_rng(9).normal(0, shift, len(scores))


def test_the_same_cases_are_compared_case_by_case() -> None:
    scores, truth = cohort(0)
    one, other = scored_at(a=(scores, truth)), scored_at(a=(moved(scores), truth))
    difference = influence(scores[:, None], truth[:, None]) - influence(moved(scores)[:, None], truth[:, None])
    found = variance_at(one, other, "a")
    assert found == pytest.approx(float(difference @ difference))
    apart = variance_at(SeedScores(one.evaluations), other, "a")
    areas = [area_of(each.evaluations["a"]) for each in (one, other)]
    assert apart == pytest.approx(sum(each.variance for each in areas if each is not None))
    assert found is not None and apart is not None and found < apart / 2


def test_scores_of_another_model_or_of_other_cases_are_not_paired() -> None:
    scores, truth = cohort(0)
    one, other = scored_at(a=(scores, truth)), scored_at(a=(moved(scores), truth))
    independent = variance_at(SeedScores(one.evaluations), other, "a")
    wrong = SeedScores(one.evaluations, {"a": CaseScores(-scores[:, None], truth[:, None])})
    assert variance_at(wrong, other, "a") == independent
    turned = scored_at(a=(scores[::-1], truth[::-1]))
    assert variance_at(one, turned, "a") == pytest.approx(2 * (areas := area_of(one.evaluations["a"])).variance)  # type: ignore[union-attr]
    assert areas is not None
    assert variance_at(one, SeedScores(), "a") is None


def test_over_sites_variances_add_up_unless_they_are_of_the_same_cases() -> None:
    parts = {name: cohort(place) for place, name in enumerate("ab")}
    one, other = scored_at(**parts), scored_at(**{name: (moved(s), t) for name, (s, t) in parts.items()})
    each = [variance_at(one, other, site) or 0.0 for site in "ab"]
    assert variance_over(one, other, "ab", False) == pytest.approx(sum(each) / 4)
    assert variance_over(one, other, "ab", True) == pytest.approx(((each[0] ** 0.5 + each[1] ** 0.5) / 2) ** 2)
    assert variance_over(one, other, [], False) is None
    assert variance_over(one, SeedScores({"a": other.evaluations["a"]}), "ab", False) is None


def trained(method: str, site: str, seed: int, parts: dict[str, tuple[Floats, Floats]]) -> Trained:
    one = scored_at(**parts)
    figures: Any = {s: {**e.figures(), "cases": e.cases} for s, e in one.evaluations.items()}
    return Trained(
        method, site, seed, 0.1, tuple(parts), figures=figures, evaluations=one.evaluations, scores=one.scores
    )


def study(small: int = 3) -> dict[str, Any]:
    """Two sites; b has ``small`` positive cases, and is as wrong as can be alone."""
    runs = []
    for seed in (0, 1):
        parts = {"a": cohort(seed), "b": cohort(7, 20, small)}
        runs.append(trained("federated", "", seed, parts))
        runs.append(trained("local", "a", seed, {"a": (moved(parts["a"][0]), parts["a"][1])}))
        runs.append(trained("local", "b", seed, {"b": (-10 * parts["b"][1], parts["b"][1])}))
    return summarise(runs, TASK, Judging(shared=0.5))


def test_a_site_with_few_cases_is_no_worst_site_and_no_part_of_the_verdict() -> None:
    found = study()
    assert found["few"] == [["b"], ["b"]] and found["counted"] == [["a"], ["a"]]
    assert found["by_site"]["b"]["local"]["mean"] == 0.0 and found["worst_site"]["local"]["site"] == "a"
    difference = found["difference"]["local"]
    assert difference["mean_over_sites"] == difference["by_site"]["a"] and difference["by_site"]["b"]["mean"] > 0.5
    assert "b" not in found["judged"]["by_site"] and found["judged"]["cases"] == 80 and found["judged"]["paired"]
    assert 0 < difference["mean_over_sites"]["cases_deviation"] < 0.05
    enough = study(small=5)
    assert enough["few"] == [[], []] and enough["worst_site"]["local"]["site"] == "b"


def test_few_is_said_where_any_method_shows_it() -> None:
    few, none = scored_at(a=cohort(0, 20, 4)), scored_at(a=cohort(0, 20, 5))
    assert few_sites([none]) == [] and few_sites([none, few]) == ["a"]


def test_what_seeds_share_follows_from_the_plan(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("data.test_fraction=0.3")
    assert judging(plan, None, None) == Judging(MARGIN, 0.3, False)
    assert judging(plan, 0.05, 5) == Judging(0.05, 1.0, False)


def test_folds_are_joined_in_order() -> None:
    parts = [CaseScores(np.full((2, 1), n), np.zeros((2, 1))) for n in (1.0, 2.0)]
    assert joined(parts).scores[:, 0].tolist() == [1.0, 1.0, 2.0, 2.0]
