import numpy as np
import pytest
from scipy.stats import binomtest

from fedgraft.common.decisions.curves import decision_curve, risk_coverage, roc
from fedgraft.common.decisions.figures import Held, at_threshold, held, mean_size
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks import TASKS

TASK = TASKS["classification"](("healthy", "sick"))
COUNTS = ScoreCounts(np.array([-2.0, 0.0, 2.0]), np.array([6, 3, 1]), np.array([1, 1, 8]))


def test_figures_at_a_threshold():
    found = at_threshold(COUNTS, 1.0)
    assert (found.true_positives, found.false_positives, found.true_negatives, found.false_negatives) == (8, 1, 9, 2)
    figures = found.figures(odds=0.25)
    assert figures["sensitivity"]["value"] == 0.8
    low, high = binomtest(8, 9).proportion_ci(method="wilson")
    assert figures["ppv"] == {"value": 0.888889, "low": round(low, 6), "high": round(high, 6), "cases": 9}
    assert figures["net_benefit"] == pytest.approx((8 - 0.25) / 20)


def test_a_share_of_no_case_is_undefined():
    nobody = at_threshold(ScoreCounts(np.array([1.0]), np.array([4]), np.array([0])), 0.0).figures()
    assert nobody["sensitivity"] is None
    assert nobody["npv"] is None
    assert nobody["specificity"]["value"] == 0


def test_sets_hold_what_was_counted():
    limits = (1.0, 1.0)  # healthy up to a score of 1, sick from -1 on
    healthy, sick = held(TASK.answers, limits, (COUNTS,))
    assert (healthy.covered, healthy.cases, sick.covered, sick.cases) == (9, 10, 9, 10)
    assert mean_size(TASK.answers, limits, (COUNTS,)) == pytest.approx((7 + 4 * 2 + 9) / 20)
    assert mean_size(TASK.answers, limits, (ScoreCounts(np.zeros(0), np.zeros(0, int), np.zeros(0, int)),)) is None


def test_expected_coverage_is_the_beta_binomial_s():
    found = Held(100, 88).figures(99, 0.1)
    assert found["coverage"] == 0.88
    low, high = found["expected"]
    drawn = np.random.default_rng(0)
    simulated = drawn.binomial(100, drawn.beta(90, 10, size=200_000)) / 100
    assert np.mean(simulated < low) <= 0.005
    assert np.mean(simulated > high) <= 0.005
    assert np.mean(simulated <= low) >= 0.004
    assert Held(0, 0).figures(99, 0.1)["coverage"] is None
    assert Held(10, 10).figures(5, 0.1)["expected"] is None


def test_net_benefit_by_hand():
    points = {point.at: point for point in decision_curve(COUNTS)}
    half = points[0.5]  # called: scores of at least 0
    assert half.model == pytest.approx((9 - 4) / 20)
    assert half.everyone == pytest.approx(0.5 - 0.5)
    assert decision_curve(ScoreCounts(np.zeros(0), np.zeros(0, int), np.zeros(0, int))) == ()


def test_wrong_calls_among_the_cases_farthest_from_the_threshold():
    points = risk_coverage(COUNTS, 0.5)
    assert [round(point.answered, 2) for point in points] == [0.35, 0.8, 1.0]
    assert [point.wrong for point in points] == pytest.approx([1 / 7, 2 / 16, 3 / 20])
    assert [point.missed for point in points] == pytest.approx([1.0, 1 / 9, 2 / 10])


def test_roc_points_by_hand():
    points = [(one.false_positive_rate, one.sensitivity, one.precision) for one in roc(COUNTS)]
    assert points == [pytest.approx(each) for each in [(0.1, 0.8, 8 / 9), (0.4, 0.9, 9 / 13), (1.0, 1.0, 0.5)]]
    assert roc(ScoreCounts(np.array([0.0]), np.array([3]), np.array([0]))) == ()
    many = ScoreCounts(np.arange(5000.0), np.ones(5000, int), np.ones(5000, int))
    assert len(roc(many)) <= 100
    assert roc(many)[-1].sensitivity == 1
