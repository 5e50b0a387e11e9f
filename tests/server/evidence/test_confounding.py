"""The site as a shortcut: what it has alone, one-class hospitals, and chance, which is not warned of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.tasks.survival import Survival
from fedgraft.server.evidence.confounding import Confounding, confounding
from fedgraft.server.evidence.evidence import gather
from tests.server.evidence.outcomes import outcome

TASK = Classification(("clear", "lesion"))


def site(negatives: int, positives: int, shift: float = 0.0, seed: int = 0) -> Evaluation:
    """A site whose scores have nothing to do with the label; all are ``shift`` higher."""
    rng, cases = np.random.default_rng(seed), negatives + positives
    outputs = np.stack([np.zeros(cases), rng.normal(shift, 1, cases)], axis=1)
    (found,) = TASK.evaluate_parts(outputs, np.repeat([0, 1], [negatives, positives]), [cases])
    return found


def test_a_hospital_of_sick_patients_must_not_shine() -> None:
    """The mixed hospital alone is at chance, and together they are far above it."""
    tests = {"mixed": site(60, 30), "sick": site(0, 50, 2.0, 1)}
    found = confounding(TASK, tests, {})
    assert found is not None and found.one_class == {"sick": "lesion"} and found.headline == "within_site"
    expected = roc_auc_score([0] * 60 + [1] * 30 + [1] * 50, [30 / 90] * 90 + [1.0] * 50)
    assert found.site_alone == pytest.approx(expected)
    assert found.within is not None and found.merged is not None
    assert abs(found.within - 0.5) < 0.1 and found.merged > 0.7
    one, alone, headline = found.sentences()
    assert one.startswith("sick has cases of one class only (lesion)")
    assert f"AUROC would be {expected:.3f} (share of lesion: mixed 33%, sick 100%)" in alone
    assert f"within sites, {found.within:.3f}" in headline and f"it is {found.merged:.3f}" in headline


def test_very_different_prevalences_are_named_too() -> None:
    found = confounding(TASK, {"a": site(80, 10), "b": site(10, 40)}, {})
    assert found is not None and found.tells and not found.one_class and found.headline == "within_site"
    assert found.site_alone == pytest.approx((40 * 80 + 10 * 80 / 2 + 40 * 10 / 2) / (50 * 90))
    assert found.shares == {"lesion": {"a": 10 / 90, "b": 0.8}}


def test_what_may_be_chance_is_not_warned_of() -> None:
    """Of six cases at 10 % none is positive; of eight small sites some have more than others."""
    found = confounding(TASK, {"a": site(90, 10), "b": site(6, 0)}, {})
    assert found is not None and found.one_class == {} and found.headline == "merged" and not list(found.sentences())
    small = {str(n): site(*((5, 1) if n % 2 else (3, 3))) for n in range(8)}
    found = confounding(TASK, small, {})
    assert found is not None and found.by_chance > 0.01 and found.headline == "merged"


def test_of_many_hospitals_the_first_are_named() -> None:
    many = {f"s{number}": "lesion" for number in range(50)}
    said = [*Confounding(None, 1.0, {"lesion": dict.fromkeys(many, 1.0)}, many, None, None).sentences()]
    assert len(said) == 2 and len(said[0]) < 400
    assert said[0].startswith("s0 (lesion), s1 (lesion)") and "s9 (lesion) and 40 more (summary.json and" in said[0]


def test_training_cases_tell_a_hospital_of_one_class() -> None:
    """Six test cases are no proof; with 60 training cases they are."""
    tests = {"a": site(90, 10), "b": site(6, 0)}
    found = confounding(TASK, tests, {"a": (90, 10), "b": (60, 0)})
    assert found is not None and found.one_class == {"b": "clear"}
    mixed = confounding(TASK, tests, {"a": (90, 10), "b": (60, 1)})
    assert mixed is not None and mixed.one_class == {}


def test_with_more_classes_a_class_of_one_site_is_named() -> None:
    task, rng = Classification(("a", "b", "c")), np.random.default_rng(0)
    tests = {}
    for name, labels in {"x": [0, 1] * 30, "y": [2] * 40}.items():
        (tests[name],) = task.evaluate_parts(rng.normal(0, 1, (len(labels), 3)), np.array(labels), [len(labels)])
    found = confounding(task, tests, {})
    assert found is not None and found.one_class == {"y": "c"}
    assert found.site_alone == pytest.approx((1.0 + 2 * (30 * 30 / 2 + 30 * 40) / (30 * 70)) / 3)


def test_findings_and_times() -> None:
    task, rng = Multilabel(("left", "right")), np.random.default_rng(0)
    tests = {}
    for name, share in {"x": 0.9, "y": 0.1}.items():
        labels = np.stack([rng.random(60) < share, rng.random(60) < 0.5], axis=1).astype(np.float64)
        (tests[name],) = task.evaluate_parts(rng.normal(0, 1, (60, 2)), labels, [60])
    found = confounding(task, tests, {})
    assert found is not None and found.one_class == {} and found.site_alone is not None
    assert 0.65 < found.site_alone < 0.8 and "share of left" in " ".join([*found.sentences()] or ["share of left"])
    survival = Survival()
    (one,) = survival.evaluate_parts(np.zeros((8, 1)), np.array([[n + 1.0, 1] for n in range(8)]), [8])
    assert confounding(survival, {"x": one, "y": one}, {}) is None


def test_one_site_is_not_confounded_by_itself() -> None:
    assert confounding(TASK, {"a": site(9, 9), "none": TASK.empty()}, {}) is None


def test_the_summary_has_it_all(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan()
    tests = {"mixed": site(60, 30), "sick": site(0, 50, 2.0, 1), "tiny": site(3, 3)}
    found = gather(plan, outcome(plan, {name: {"test": one} for name, one in tests.items()})).plain
    assert found["confounding"]["headline"] == "within_site" and found["confounding"]["one_class"] == {"sick": "lesion"}
    assert any("one class only" in one for one in found["warnings"])
    intervals: Any = found["intervals"]
    assert [intervals["sites"][name]["few"] for name in tests] == [False, True, True]
    assert intervals["sites"]["sick"]["auroc"] is None
    assert intervals["sites"]["sick"]["classes"]["lesion"]["specificity"] is None
    inside, whole = intervals["within_site"], intervals["together"]["auroc"]
    assert inside["low"] < inside["value"] < inside["high"] and inside["value"] < whole["value"] - 0.1
    assert whole["positives"] == 83 and whole["negatives"] == 63 and intervals["central"] is None
    assert intervals["seen"]["cases"] == 146 and 0.05 < intervals["seen"]["smallest_difference"] < 0.25
    official = gather(plan, outcome(plan, {}, site(30, 30))).plain
    assert official["confounding"] is None and official["intervals"]["central"]["auroc"]["positives"] == 30
    assert official["intervals"]["together"] is official["intervals"]["within_site"] is None


def test_sensitivity_has_its_wilson_interval(compose_plan: Callable[..., Plan]) -> None:
    """At log odds 0, as the figure: 8 of 10 have 0.49 to 0.943 (Wilson)."""
    plan = compose_plan()
    outputs = np.stack([np.zeros(20), np.repeat([1.0, -1.0, 1.0, -1.0], [8, 2, 3, 7])], axis=1)
    (one,) = TASK.evaluate_parts(outputs, np.repeat([1, 0], 10), [20])
    found = gather(plan, outcome(plan, {"a": {"test": one}})).plain["intervals"]["sites"]["a"]
    sensitivity = found["classes"]["lesion"]["sensitivity"]
    assert sensitivity["value"] == one.figures()["sensitivity"] == 0.8
    assert (sensitivity["low"], sensitivity["high"]) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    assert found["classes"]["lesion"]["specificity"]["value"] == one.figures()["specificity"] == 0.7
