"""Merged evaluations of folds: each case once, all scores together, and what a missing fold does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.study.out_of_fold import RoundScores, all_cases, figures_by_site, of_one_round, scored_once
from fedgraft.simulations.study.report import figure_rows, sentences
from fedgraft.simulations.study.summary import Trained, summarise

TASK = Classification(("clear", "lesion"))
SCORES = {"a": ([-2.0, 0.5, 1.0, 3.0], [0, 1, 0, 1]), "b": ([-1.0, 2.0, -0.2, 0.1], [1, 1, 0, 0])}


def evaluation(scores: list[float], labels: list[int]) -> Evaluation:
    outputs = np.stack([np.zeros(len(scores)), np.array(scores)], axis=1)
    (found,) = TASK.evaluate_parts(outputs, np.array(labels), [len(scores)])
    return found


def fold_of(site: str, fold: int) -> Evaluation:
    """The first two cases are fold 1, the others fold 2."""
    scores, labels = SCORES[site]
    part = slice(2 * fold - 2, 2 * fold)
    return evaluation(scores[part], labels[part])


@dataclass(frozen=True)
class Scored:
    fold: int
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    rounds: tuple[RoundScores, ...] = ()
    name: str = "federated"


def test_figures_are_those_of_all_scores_together() -> None:
    """At a, 3 of the 4 pairs are in order; within the folds, both pairs of one case each are: 0.75, not 1."""
    trained = [Scored(fold, {site: fold_of(site, fold) for site in "ab"}) for fold in (1, 2)]
    merged = scored_once(trained, 2, TASK)
    found = figures_by_site(merged, ["a", "b"], TASK)
    for site, (scores, labels) in SCORES.items():
        assert found[site]["cases"] == 4
        assert found[site]["auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["a"]["auroc"] == 0.75
    every = all_cases({"federated": [merged]}, TASK)["federated"]
    scores, labels = ([*SCORES["a"][part], *SCORES["b"][part]] for part in (0, 1))
    assert every["values"] == [pytest.approx(roc_auc_score(labels, scores), abs=1e-6)] and every["cases"] == [8]


def test_all_folds_have_the_model_of_the_round_that_is_best_over_them() -> None:
    """Fold 1 alone would take round 0, fold 2 round 2; their mean is best in round 1."""
    vals = {1: (0.9, 0.88, 0.6), 2: (0.5, 0.88, 0.9)}
    models = {(fold, number): {"a": fold_of("a", fold)} for fold in (1, 2) for number in range(3)}
    trained = [
        Scored(fold, models[fold, 0], tuple(RoundScores(vals[fold][k], models[fold, k]) for k in range(3)))
        for fold in (1, 2)
    ]
    assert of_one_round(trained, 2) == [models[1, 1], models[2, 1]]
    assert list(scored_once(trained, 2, TASK)) == ["a"]


def test_each_fold_has_its_final_model_where_rounds_can_t_be_compared() -> None:
    """A fold is missing; no round has a figure in every fold; a held-out site has no evaluation of each round."""
    final = [{"a": fold_of("a", fold)} for fold in (1, 2)]
    told = [RoundScores(0.5, one) for one in final]
    one_fold = [Scored(1, final[0], (told[0],))]
    undefined = [Scored(k + 1, final[k], (RoundScores(None, final[k]),)) for k in (0, 1)]
    held_out = [Scored(k + 1, final[k], (RoundScores(0.5, {}),)) for k in (0, 1)]
    for trained in (one_fold, undefined, held_out):
        assert of_one_round(trained, 2) == final[: len(trained)]


def test_a_site_without_one_of_its_folds_has_no_figure() -> None:
    trained = [Scored(1, {"a": fold_of("a", 1), "b": fold_of("b", 1)}), Scored(2, {"a": fold_of("a", 2)})]
    merged = scored_once(trained, 2, TASK)
    assert list(merged) == ["a"]
    found = figures_by_site(merged, ["a", "b"], TASK)["b"]
    assert (found["auroc"], found["cases"]) == (None, 0)
    both = scored_once([Scored(fold, {s: fold_of(s, fold) for s in "ab"}) for fold in (1, 2)], 2, TASK)
    counted = all_cases({"federated": [both], "local": [merged], "pooled": [{}]}, TASK)
    assert [counted[method]["cases"] for method in counted] == [[4], [4], [0]]
    assert counted["pooled"]["mean"] is None
    assert scored_once(trained, None, TASK) == {}


def trained(method: str, site: str, fold: int, tested: str, **others: Any) -> Trained:
    evaluations = {} if "failed" in others else {one: fold_of(one, fold) for one in tested}
    return Trained(method, site, 3, 0.1, tuple(tested), fold=fold, evaluations=evaluations, **others)


def test_a_study_of_folds_by_hand() -> None:
    """Alone, b fails in fold 2, and has no figure there."""
    runs = [trained("federated", "", fold, "ab") for fold in (1, 2)]
    runs += [trained("local", "a", fold, "a") for fold in (1, 2)]
    runs += [trained("local", "b", 1, "b"), trained("local", "b", 2, "b", failed="diverged")]
    found = {**summarise(runs, TASK), "notes": ["a note"], "cases": None}
    assert (found["folds"], found["seeds"], found["counted"]) == (2, [3], [["a"]])
    assert found["by_site"]["a"]["federated"]["values"] == found["by_site"]["a"]["local"]["values"] == [0.75]
    assert found["by_site"]["b"]["local"]["values"] == [None]
    assert found["all_cases"]["federated"]["cases"] == found["all_cases"]["local"]["cases"] == [4]
    assert found["failed"] == [{"run": "local-b", "seed": 3, "fold": 2, "why": "diverged"}]
    assert found["chosen_lr"]["federated"] == [0.1, 0.1]
    _, rows = figure_rows(found)
    assert rows[3] == ("all cases together", "0.750", "0.750")
    said = sentences(found)
    assert "a note" in said and "Failed: local-b, seed 3, fold 2: diverged" in said
    (words,) = [sentence for sentence in said if sentence.startswith("Figures are out of fold")]
    assert "dealt into 2 folds by patient or group" in words and "scored once (4 cases by seed)" in words
