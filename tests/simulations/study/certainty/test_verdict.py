"""The three outcomes of a study, in words, and what would tell."""

from __future__ import annotations

import pytest

from fedgraft.simulations.study.certainty.verdict import by_site_sentence, outcome_of, untold, verdict
from fedgraft.simulations.study.figures import Difference, difference


@pytest.mark.parametrize(
    ("low", "high", "outcome", "words"),
    [
        (0.01, 0.05, "helped", ("Federation helped here", "the interval lies above 0.")),
        (-0.03, 0.015, "no_gain", ("No gain larger than 0.02 AUROC here", "the interval lies below that.")),
        (-0.05, -0.01, "no_gain", ("No gain larger than 0.02", "below that and below 0, each site alone is better")),
        (-0.046, 0.129, "cannot_tell", ("Can't tell whether federation helped", "holds 0 and a gain of 0.02")),
        (None, None, "cannot_tell", ("can't be said from one seed", "give seeds=[0,1,2]")),
    ],
)
def test_the_verdict_says_which(low: float | None, high: float | None, outcome: str, words: tuple[str, ...]) -> None:
    found = verdict(Difference(0.042, low, high, (0.042,) * (1 if low is None else 2)), "AUROC", 0.02, 90)
    assert found.outcome == outcome == outcome_of(Difference(0.042, low, high, ()), 0.02)
    assert all(word in found.words for word in (*words, "+0.042 AUROC"))


def test_of_several_seeds_one_alone_may_have_a_figure() -> None:
    found = verdict(Difference(0.042, None, None, (None, 0.042)), "AUROC", 0.02, 90)
    assert "can't be said: of 2 seeds one has a site with enough test cases of each side: federated" in found.words


def test_without_both_figures_nothing_is_said() -> None:
    found = verdict(Difference(None, None, None, ()), "AUROC", 0.02, 0)
    assert found.outcome == "cannot_tell" and "no site has both figures" in found.words


def test_what_would_tell_by_hand() -> None:
    """Half the interval is 0.0875; to lie above 0 it must be below 0.042: 100 (0.0875 / 0.042)^2 = 434 cases."""
    found = verdict(Difference(0.0415, -0.046, 0.129, (0.04, 0.043), 0.0446), "AUROC", 0.02, 100)
    assert found.cases_needed == 450  # 444.6 in two digits, rounded up
    assert found.seeds_needed is None, "no number of seeds undoes the choice of test cases"
    assert found.words.endswith("If the difference stays so, about 450 test cases (here 100) would tell.")


def test_seeds_tell_where_they_are_what_varies() -> None:
    found = verdict(difference([0.0, 0.1, 0.05]), "AUROC", 0.02, 60)
    assert found.outcome == "cannot_tell" and found.seeds_needed == 7
    three = verdict(difference([0.0, 0.1, 0.05]), "AUROC", 0.3, 60)
    assert three.outcome == "no_gain"


def test_sites_are_sorted_by_outcome() -> None:
    differences = {
        "birch": {"mean": 0.05, "low": 0.01, "high": 0.09},
        "cedar": {"mean": 0.01, "low": -0.03, "high": 0.05},
        "elm": {"mean": -0.05, "low": -0.09, "high": -0.01},
    }
    outcomes = {
        name: outcome_of(Difference(0.0, one["low"], one["high"], ()), 0.02) for name, one in differences.items()
    }
    assert by_site_sentence(differences, outcomes, 0.02) == (
        "By site: it helped at 1 of 3: birch (+0.050 [+0.010, +0.090]); no gain larger than 0.02 at 1 of 3: elm "
        "(-0.050 [-0.090, -0.010]; alone is better); can't tell at 1 of 3: cedar (+0.010 [-0.030, +0.050])."
    )


def test_where_no_site_has_enough_cases_nothing_is_told() -> None:
    found = untold(Difference(0.5, 0.4, 0.6, ()), "AUROC", 12)
    assert (
        found.outcome == "cannot_tell" and "every site has fewer than 5 positive or negative test cases" in found.words
    )


@pytest.mark.parametrize(
    ("mean", "cases", "words"),
    [
        (0.0, 0.0, "+0.000 AUROC (mean over sites), equal in all resamples: too few cases to tell."),
        (0.1, 0.0, "+0.100 AUROC (mean over sites), the same in all resamples: too few cases to tell."),
        (0.0, None, "+0.000 AUROC (mean over sites), equal with every seed: what other test cases would change is not"),
    ],
)
def test_the_same_in_all_resamples_is_no_certainty(mean: float, cases: float | None, words: str) -> None:
    found = verdict(Difference(mean, None, None, (mean, mean), cases, same=True), "AUROC", 0.02, 40)
    assert found.outcome == "cannot_tell"
    assert found.words.startswith(f"Can't tell whether federation helped: federated - local is {words}")
