import numpy as np
import pytest

from fedgraft.common.decisions.counts import Weighed
from fedgraft.common.decisions.operating import threshold

SCORES = np.array([-2.0, -1.0, 0.5, 1.0, 3.0])
COUNTS = Weighed(SCORES, np.array([4.0, 3.0, 2.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0, 3.0, 5.0]))


@pytest.mark.parametrize(
    ("rule", "value", "from_"),
    [
        ("youden", None, 1.0),  # 8/10 + 9/10; from 0.5: 9/10 + 7/10
        ("sensitivity", 0.9, 0.5),
        ("sensitivity", 0.95, -1.0),
        ("sensitivity", 1.0, -1.0),
        ("specificity", 0.7, 0.5),
        ("specificity", 0.75, 1.0),
        ("specificity", 1.0, 3.0),
        ("cost", 1.0, 1.0),  # 2 missed + 1 alarm
        ("cost", 3.0, 0.5),  # 3 + 3, as from -1: 0 + 6; the higher of equal ones
        ("cost", 0.01, 3.0),  # 5 missed for nothing
    ],
)
def test_thresholds_worked_out_by_hand(rule, value, from_):
    found = threshold(COUNTS, rule, value)
    assert found == pytest.approx(from_, rel=0.003)
    assert found <= from_


def test_nobody_is_called_positive_where_that_is_the_least_cost():
    counts = Weighed(np.array([0.0, 1.0]), np.array([1.0, 9.0]), np.array([1.0, 1.0]))
    assert threshold(counts, "cost", 0.1) > 1.0
    assert threshold(counts, "specificity", 1.0) > 1.0


def test_one_side_has_no_threshold():
    assert threshold(Weighed(SCORES, np.zeros(5), np.ones(5)), "youden", None) is None
    assert threshold(Weighed(SCORES, np.ones(5), np.zeros(5)), "cost", 1.0) is None
