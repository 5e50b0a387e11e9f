"""Recipes beside each other, with figures made up by hand: differences, corrections, the choice, words and tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.engine.predictions import CaseScores
from fedgraft.simulations.study.certainty.compared import Judging
from fedgraft.simulations.study.certainty.several import holm
from fedgraft.simulations.study.figures import Difference
from fedgraft.simulations.study.report import in_width, sentences
from fedgraft.simulations.study.rivals.beside import outcome_of
from fedgraft.simulations.study.rivals.recipes import Recipes
from fedgraft.simulations.study.rivals.table import csv_rows, recipe_rows, site_rows, write_rivals
from fedgraft.simulations.study.summary import Trained, summarise

TASK = Classification(("clear", "lesion"))
Floats = NDArray[np.float64]
# by seed: site a's and b's test figures, and the validation figure
FIGURES = {
    "federated": {0: (0.80, 0.60, 0.70), 1: (0.84, 0.64, 0.80), 2: (0.82, 0.62, 0.60)},
    "prox": {0: (0.90, 0.70, 0.72), 1: (0.93, 0.75, 0.81), 2: (0.93, 0.71, 0.50)},
    "adam": {0: (0.80, 0.60, 0.60), 1: (0.84, 0.64, 0.60), 2: (0.82, 0.62, 0.60)},
}


def trained(method: str, seed: int, a: float | None, b: float | None, val: float | None, **others: Any) -> Trained:
    figures = {site: {"auroc": one, "cases": 9} for site, one in (("a", a), ("b", b))}
    return Trained(method, "", seed, 0.1, ("a", "b"), val=val, figures=figures, **others)


def recipes(*methods: str, reference: str = "federated") -> Recipes:
    names = {method: "avg" if method == "federated" else method for method in methods}
    words = {method: "" if method == "federated" else f"strategy=fed{method}" for method in methods}
    return Recipes(names, words, dict.fromkeys(methods, "0" * 64), {}, reference)


def summary(reference: str = "federated", margin: float = 0.02, **figures: Any) -> dict[str, Any]:
    known = {**FIGURES, **figures}
    runs = [trained(method, seed, *one) for seed in (0, 1, 2) for method, by in known.items() for one in [by[seed]]]
    return summarise(runs, TASK, Judging(margin), recipes(*known, reference=reference))


def test_the_difference_by_hand() -> None:
    """prox minus avg: 0.10, 0.10, 0.10 over sites; by site a 0.10, 0.09, 0.11."""
    found = summary()
    assert found["difference"] == {} and list(found["rivals"]["difference"]) == ["prox", "adam"]
    prox = found["rivals"]["difference"]["prox"]
    half = t.ppf(0.975, 2) * 0.01 / 3**0.5
    at = prox["by_site"]["a"]
    assert (at["mean"], at["low"], at["high"]) == pytest.approx((0.1, 0.1 - half, 0.1 + half), abs=1e-6)
    assert prox["mean_over_sites"]["values"] == [0.1, 0.1, 0.1] and prox["mean_over_sites"]["same"]
    assert prox["outcome"] == "same" and prox["p_holm"] is None


def test_another_reference_turns_the_difference_round() -> None:
    found, turned = summary(), summary(reference="prox")
    assert list(turned["rivals"]["difference"]) == ["federated", "adam"]
    at, back = (one["rivals"]["difference"] for one in (found, turned))
    for end, other in (("mean", "mean"), ("low", "high"), ("high", "low")):
        assert at["prox"]["by_site"]["a"][end] == pytest.approx(-back["federated"]["by_site"]["a"][other])


def test_validation_chooses_and_not_the_test_cases() -> None:
    """Means on validation cases: avg 0.7, prox 0.677, adam 0.6; prox is best on test cases, and with two of 3 seeds.

    Chosen anew: prox, prox, and of the equal avg and adam the first: (0.8 + 0.84 + 0.72) / 3."""
    chosen = summary()["rivals"]["chosen"]
    assert chosen["method"] == "federated" and chosen["by_seed"] == {"0": "prox", "1": "prox", "2": "federated"}
    assert chosen["test"]["values"] == [0.8, 0.84, 0.72]
    said = "\n".join(summary()["rivals"]["sentences"])
    assert (
        "By validation one would choose avg: AUROC 0.700 on validation cases (prox 0.677, adam 0.600), with 1 of 3 "
        "seeds. Choose by that, not by test figures, the best of which is too good by chance. Chosen anew with each "
        "seed, what is best there has a test AUROC of 0.787."
    ) in said


def test_of_a_tie_nothing_is_chosen() -> None:
    """avg and turned have the same three validation figures, in another order, and so the same mean."""
    turned = {0: (0.9, 0.9, 0.80), 1: (0.9, 0.9, 0.60), 2: (0.9, 0.9, 0.70)}
    found = summary(turned=turned)
    chosen = found["rivals"]["chosen"]
    assert chosen["method"] is None and chosen["tied"] == ["federated", "turned"]
    said = "\n".join(found["rivals"]["sentences"])
    assert (
        "By validation it is a tie: avg and turned have the same AUROC, 0.700, on validation cases (prox 0.677, adam "
        "0.600), so these choose none of them"
    ) in said and "one would choose" not in said
    assert not any("‡" in row[0] for row in recipe_rows(found)[1])
    assert {line["chosen_by_validation"] for line in csv_rows(found) if "chosen_by_validation" in line} == {0}


def test_without_validation_figures_nothing_is_chosen() -> None:
    runs = [trained(method, seed, 0.5 + seed / 10, 0.6, None) for seed in (0, 1) for method in ("federated", "prox")]
    found = summarise(runs, TASK, Judging(), recipes("federated", "prox"))
    assert found["rivals"]["chosen"] is None
    assert "By validation nothing can be chosen" in found["rivals"]["sentences"][-1]


def test_holm_by_hand() -> None:
    """0.01 * 4, then 0.02 * 3, then 0.03 * 2 (not below the one before), then 0.9."""
    assert holm([0.02, 0.9, None, 0.01, 0.03]) == [
        pytest.approx(0.06),
        0.9,
        None,
        pytest.approx(0.04),
        pytest.approx(0.06),
    ]
    assert holm([0.7, 0.8]) == [1.0, 1.0] and holm([None]) == [None] and holm([]) == []


@pytest.mark.parametrize(
    ("found", "p", "outcome"),
    [
        (Difference(0.1, 0.05, 0.15, (), p=0.01), 0.02, "better"),
        (Difference(-0.1, -0.15, -0.05, (), p=0.01), 0.04, "worse"),
        (Difference(0.1, 0.01, 0.19, (), p=0.03), 0.06, "better_alone"),
        (Difference(-0.1, -0.19, -0.01, (), p=0.03), 0.06, "worse_alone"),
        (Difference(0.1, -0.01, 0.21, (), p=0.06), 0.06, "no_difference"),
        (Difference(0.1, None, None, (0.1,)), None, "one_seed"),
        (Difference(0.0, None, None, (0.0, 0.0), same=True), 1.0, "same"),
        (Difference(None, None, None, ()), None, "missing"),
    ],
)
def test_the_outcomes(found: Difference, p: float | None, outcome: str) -> None:
    assert outcome_of(found, p) == outcome


def shifted(*by_seed: float) -> dict[int, tuple[float, float, float]]:
    """The recipe itself with so much more at both sites."""
    base = FIGURES["federated"]
    return {seed: (base[seed][0] + by, base[seed][1] + by, 0.5) for seed, by in enumerate(by_seed)}


def test_each_rival_is_a_sentence() -> None:
    """Half of an interval is the deviation times 4.303 / sqrt(3). Of five p values Holm's is 4 times the second."""
    found = summary(
        better=shifted(0.049, 0.05, 0.051),
        nearly=shifted(0.02, 0.035, 0.045),
        small=shifted(0.001, -0.001, 0.002),
    )
    said = found["rivals"]["sentences"]
    assert said[0] == "prox: the same with every seed, +0.100 AUROC; what other test cases would change is not known."
    assert said[1] == "adam: equal with every seed, +0.000 AUROC; what other test cases would change is not known."
    assert said[2] == "better: better than avg, +0.050 [+0.048, +0.052] AUROC."
    assert said[3] == (
        "nearly: better than avg if it were the only rival, +0.033 [+0.002, +0.065] AUROC; among 5 it may be chance "
        "(p = 0.18 by Holm)."
    )
    assert said[4] == (
        "small: no difference that these data can show, +0.001 [-0.003, +0.004] AUROC; one above 0.02 is ruled out "
        "either way."
    )
    assert "5 recipes are compared with avg. Each interval is a 95 % interval by itself, not corrected" in said[5]
    whole = sentences(found)
    assert set(said) < set(whole) and any("seeds change nothing, and what other test cases" in one for one in whole)
    wide = summary(margin=0.001, small=shifted(0.001, -0.001, 0.002))["rivals"]["sentences"][2]
    assert wide.endswith("AUROC; one of 0.001 is not ruled out.")


def test_one_seed_and_a_failed_rival_are_said() -> None:
    runs = [trained("federated", 0, 0.8, 0.6, 0.7), trained("prox", 0, 0.9, 0.6, 0.7)]
    runs.append(Trained("adam", "", 0, 0.1, ("a", "b"), failed="no"))
    said = summarise(runs, TASK, Judging(), recipes(*FIGURES))["rivals"]["sentences"]
    assert said[0] == "prox: +0.050 AUROC to avg; from one seed there is no interval; give seeds=[0,1,2]."
    assert said[1] == "adam: no figure to compare with avg."


def scores(seed: int, shift: float) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    truth = (np.arange(60) < 25).astype(float)
    first = rng.normal(truth, 1.0)
    return first, first + shift * truth + rng.normal(0, 0.4, 60), truth


def auroc(values: Floats, truth: Floats) -> float:
    """By the ranks (Mann and Whitney)."""
    positives = int(truth.sum())
    above = rankdata(values)[truth == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(truth) - positives)))


def scored(method: str, seed: int, values: Floats, truth: Floats) -> Trained:
    outputs = np.stack([np.zeros(60), values], axis=1)
    (evaluation,) = TASK.evaluate_parts(outputs, truth.astype(np.int64), [60])
    known = {"a": CaseScores(values[:, None], truth[:, None])}
    figures = {"a": {**evaluation.figures(), "cases": 60}}
    return Trained(method, "", seed, 0.1, ("a",), val=0.5, figures=figures, evaluations={"a": evaluation}, scores=known)


def test_the_paired_interval_is_that_of_a_bootstrap_of_cases() -> None:
    """Two models on the same cases, and the same with every seed: what is left is the choice of cases. A bootstrap
    draws positive and negative cases anew, both models' together; that of independent models would be much wider."""
    first, second, truth = scores(3, 0.5)
    runs = [scored(m, seed, s, truth) for seed in (0, 1) for m, s in (("federated", first), ("prox", second))]
    one = summarise(runs, TASK, Judging(), recipes("federated", "prox"))["rivals"]["difference"]["prox"]
    found, rng = one["mean_over_sites"], np.random.default_rng(0)
    sides = [np.flatnonzero(truth == side) for side in (0, 1)]
    drawn = []
    for _ in range(1500):
        some = np.concatenate([rng.choice(side, len(side)) for side in sides])
        drawn.append(auroc(second[some], truth[some]) - auroc(first[some], truth[some]))
    assert one["paired"] and found["mean"] == pytest.approx(auroc(second, truth) - auroc(first, truth), abs=0.003)
    assert (found["high"] - found["low"]) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.1)


def test_models_that_rank_all_cases_alike_are_no_certainty() -> None:
    """Twice the scores are other probabilities of the same order: no resample of these cases tells them apart."""
    values, _, truth = scores(3, 0.5)
    runs = [scored(m, seed, s, truth) for seed in (0, 1) for m, s in (("federated", values), ("prox", 2 * values))]
    found = summarise(runs, TASK, Judging(), recipes("federated", "prox"))
    over = found["rivals"]["difference"]["prox"]["mean_over_sites"]
    assert over["same"] and over["cases_deviation"] == 0.0 and over["low"] is None
    assert found["rivals"]["sentences"][0] == "prox: equal in all resamples, +0.000 AUROC; too few cases to tell."
    assert any("no certainty: too few cases to tell." in one for one in sentences(found))


def test_the_tables(tmp_path: Path) -> None:
    found = summary(better=shifted(0.049, 0.05, 0.051))
    headings, rows = recipe_rows(found)
    assert headings == ("recipe", "validation", "test", "minus avg", "p (Holm)", "difference")
    assert rows[0] == ("avg ‡", "0.700 ± 0.100", "0.720 ± 0.020", "", "", "")
    assert rows[3] == ("better", "0.500 ± 0.000", "0.770 ± 0.021", "+0.050 [+0.048, +0.052]", "<0.001", "better")
    headings, rows = site_rows(found)
    assert headings == ("minus avg", "prox", "adam", "better")
    assert rows[0][:2] == ("a", "+0.100 [+0.075, +0.125]") and rows[-1][0] == "mean over sites"
    write_rivals(tmp_path / "rivals.csv", found)
    with (tmp_path / "rivals.csv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 4 * 3 == len(list(csv_rows(found)))
    assert [line["site"] for line in lines[:3]] == ["mean over sites", "a", "b"]
    line = next(line for line in lines if (line["recipe"], line["site"]) == ("better", "mean over sites"))
    assert (line["words"], line["minus"], line["outcome"]) == ("strategy=fedbetter", "avg", "better")
    assert float(line["low"]) < 0.05 < float(line["high"]) and line["chosen_by_validation"] == "0"
    assert lines[0]["chosen_by_validation"] == "1" and lines[0]["difference"] == ""


def test_wide_tables_are_several() -> None:
    row = tuple(f"c{number}" for number in range(8))
    parts = in_width((row, [row]))
    assert [part[0] for part in parts] == [("c0", "c1", "c2", "c3", "c4", "c5"), ("c0", "c6", "c7")]
    assert in_width((row[:6], [])) == [(row[:6], [])]
