import math

import numpy as np
import pytest

from fedgraft.common.calibration.figures import together
from fedgraft.common.decisions.conformal import bound, bounds, whole_groups
from fedgraft.common.decisions.counts import mixed
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks import TASKS
from fedgraft.common.tasks.metrics import count_places, edges, places


def binary():
    return TASKS["classification"](("healthy", "sick"))


def counts_of(scores: np.ndarray, sick: np.ndarray) -> ScoreCounts:
    outputs = np.stack([np.zeros(len(scores)), scores], axis=1)
    (found,) = binary().evaluate_parts(outputs, sick.astype(np.int64), [len(scores)])[0].score_counts()
    return found


@pytest.mark.parametrize(("cases", "miss", "place"), [(9, 0.1, 9), (19, 0.1, 18), (99, 0.1, 90), (39, 0.05, 38)])
def test_the_bound_is_the_quantile_of_split_conformal(cases, miss, place):
    values = np.random.default_rng(0).permutation(np.arange(1.0, cases + 1))
    assert place == math.ceil((cases + 1) * (1 - miss))
    assert bound(values, np.ones(cases), miss) == place


def test_too_few_cases_promise_nothing():
    assert bound(np.arange(8.0), np.ones(8), 0.1) == math.inf
    assert bound(np.zeros(0), np.zeros(0), 0.1) == math.inf


def test_a_case_of_twice_the_weight_counts_as_two():
    twice = bound(np.array([1.0, 2.0, 3.0]), np.array([8.0, 8.0, 4.0]), 0.1)
    assert twice == bound(np.repeat([1.0, 2.0, 3.0], [8, 8, 4]), np.ones(20), 0.1)


def test_binned_quantiles_are_those_of_the_scores_to_a_bin_s_width():
    drawn = np.random.default_rng(1)
    sick = drawn.random(300) < 0.3
    scores = drawn.normal(size=300) + 2 * sick
    task = binary()
    found = bounds(task.answers, [mixed(None, counts_of(scores, sick), None)], 0.1, by_answer=True)
    for answer, limit in zip(task.answers, found, strict=True):
        own = np.sort(answer.strangeness(scores[sick == answer.speaks_for]))
        exact = own[math.ceil((len(own) + 1) * 0.9) - 1]
        low, high = edges(np.array([answer.strangeness(np.array([exact]))[0]]))
        assert exact <= limit <= exact + (high - low)[0] + 1e-9


def test_marginal_bounds_are_one_quantile_of_all_cases_own_answer():
    drawn = np.random.default_rng(2)
    sick = drawn.random(200) < 0.2
    scores = drawn.normal(size=200) + 2 * sick
    healthy, ill = bounds(binary().answers, [mixed(None, counts_of(scores, sick), None)], 0.1, by_answer=False)
    own = np.sort(np.where(sick, -scores, scores))
    assert healthy == ill == pytest.approx(own[math.ceil(201 * 0.9) - 1], rel=0.003, abs=1e-4)


def test_promised_coverage_is_kept_in_the_mean_over_draws():
    covered = []
    for seed in range(200):
        drawn = np.random.default_rng(seed)
        sick = drawn.random(400) < 0.3
        scores = drawn.normal(size=400) + 1.5 * sick
        limits = bounds(binary().answers, [mixed(None, counts_of(scores[:200], sick[:200]), None)], 0.1, by_answer=True)
        strange = np.where(sick[200:], -scores[200:], scores[200:])
        covered.append(np.mean(strange <= np.where(sick[200:], limits[1], limits[0])))
    assert 0.9 <= np.mean(covered) <= 0.92


def test_a_case_of_a_group_is_as_strange_as_the_group_reaches():
    """Groups of three: -9 -8 -7 | -2 1 2 | 4 5 6 7, of which the middle one reaches over 0."""
    scores = np.array([-9.0, -8, -7, -2, 1, 2, 4, 5, 6, 7])
    sick = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1, 1])
    found = whole_groups(ScoreCounts(scores, 1 - sick, sick), 3)
    assert np.repeat(scores, found.positives).tolist() == [-9, -9, 4, 4, 4]
    assert np.repeat(scores, found.negatives).tolist() == [-7, -7, 7, 7, 7]
    alone = whole_groups(ScoreCounts(scores, 1 - sick, sick), 0)
    assert (alone.negatives.tolist(), alone.positives.tolist()) == ((1 - sick).tolist(), sick.tolist())
    few = whole_groups(ScoreCounts(scores[:2], 1 - sick[:2], sick[:2]), 3)
    assert (few.negatives.tolist(), few.positives.tolist()) == ([0, 1], [1, 0])
    tied = whole_groups(ScoreCounts(np.array([1.0, 2, 3]), np.array([1, 4, 0]), np.array([0, 4, 1])), 3)
    assert (tied.negatives.tolist(), tied.positives.tolist()) == ([0, 1, 4], [4, 1, 0]), "of 1 2 2 | 2 2 2 | 2 2 2 3"


@pytest.mark.parametrize(("sites", "each"), [(1, 15), (1, 30), (3, 15), (5, 15), (5, 25), (2, 50)])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
def test_sets_by_whole_groups_hold_what_they_promise(sites: int, each: int, shift: float) -> None:
    """From three groups of five cases of each side on, wherever 0 lies: in the mean over draws, for each answer; and
    bounds are never below those of the cases as they were told."""
    drawn, sick = np.random.default_rng(each), np.repeat([0, 1], each)
    answers, covered = binary().answers, []
    for _ in range(60):
        scores = [2 * drawn.normal(size=2 * each) + 3 * sick - 1.5 + shift for _ in range(sites)]
        fine = [count_places(places(one[:, None], sick[:, None] == 1), 1) for one in scores]
        told = [one.merged(5).score_counts()[0] for one in fine]
        before, after = (
            bounds(answers, [mixed(None, together(some), None)], 0.1, by_answer=True)
            for some in (told, [whole_groups(one, 5) for one in told])
        )
        assert all(wide >= narrow for narrow, wide in zip(before, after, strict=True))
        covered.append([normal((limit + 1.5 - side * shift) / 2) for limit, side in zip(after, (1, -1), strict=True)])
    assert np.mean(covered, axis=0).min() >= 0.9


def normal(z: float) -> float:
    return (1 + math.erf(z / math.sqrt(2))) / 2


def test_mixed_cases_weigh_as_was_said():
    own = ScoreCounts(np.array([0.0, 1.0]), np.array([3, 0]), np.array([0, 1]))
    pooled = ScoreCounts(np.array([-1.0, 1.0]), np.array([10, 10]), np.array([0, 5]))
    found = mixed(own, pooled, 4)
    assert found.scores.tolist() == [-1, 0, 1]
    assert found.negatives.tolist() == [2, 3, 2]
    assert found.positives.tolist() == [0, 0, 5]
    alone = mixed(None, pooled, 4)
    assert alone.negatives.tolist() == [10, 10]


def test_three_classes_have_a_bound_each_from_their_own_cases():
    task = TASKS["classification"](("a", "b", "c"))
    drawn = np.random.default_rng(3)
    truth = drawn.integers(3, size=300)
    outputs = drawn.normal(size=(300, 3)) + 2 * np.eye(3)[truth]
    counts = task.evaluate_parts(outputs, truth, [300])[0].score_counts()
    found = bounds(task.answers, [mixed(None, each, None) for each in counts], 0.1, by_answer=True)
    scores = task.scores(outputs)
    for place, limit in enumerate(found):
        own = np.sort(-scores[truth == place, place])
        assert limit == pytest.approx(own[math.ceil((len(own) + 1) * 0.9) - 1], rel=0.003, abs=1e-4)
