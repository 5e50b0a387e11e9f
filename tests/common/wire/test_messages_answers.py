"""Preparing a site, and what it says of its evaluations: round trips and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.wire import messages

DIGEST = "ab" * 32
TWO = Classification(("clear", "lesion"))
(EVALUATION,) = TWO.evaluate_parts(np.array([[0.0, 1.0], [0.0, -2.0], [0.0, 3.0]]), np.array([1, 0, 0]), [3])
HUGE = 10**9 + 1
NOT_COUNTS = [-1, True, HUGE, 1.5, "3", None, [1]]


def u4(*numbers: int) -> bytes:
    return np.array(numbers, "<u4").tobytes()


def with_key(content: RecordDict, place: str, key: str, value: Any) -> RecordDict:
    """The message with one key replaced, or (None) left out."""
    config = {name: item for name, item in content.config_records[place].items() if name != key}
    content[place] = ConfigRecord(config if value is None else {**config, key: value})
    return content


def answer_with(key: str, value: Any) -> RecordDict:
    content = messages.pack_answer("north", DIGEST, 4, {"val": EVALUATION})
    return with_key(content, f"{messages.LOCAL_METRICS}.val", key, value)


def test_prepare_makes_a_round_trip() -> None:
    assert messages.unpack_prepare(messages.pack_prepare("{}", DIGEST, "cd" * 32)) == ("{}", DIGEST, "cd" * 32)


@pytest.mark.parametrize("key", ["json", "digest", "backbone"])
@pytest.mark.parametrize("value", [None, "", 3, b"bytes"])
def test_prepare_without_a_text_is_refused_by_name(key: str, value: Any) -> None:
    content = with_key(messages.pack_prepare("{}", DIGEST, DIGEST), messages.PLAN, key, value)
    with pytest.raises(WireError, match=f"the message lacks `{key}`"):
        messages.unpack_prepare(content)


@pytest.mark.parametrize("content", [RecordDict(), RecordDict({messages.PLAN: ArrayRecord()})])
def test_prepare_without_a_plan_is_refused(content: RecordDict) -> None:
    with pytest.raises(WireError, match=f"the message lacks `{messages.PLAN}`"):
        messages.unpack_prepare(content)


def test_an_answer_makes_a_round_trip() -> None:
    content = messages.pack_answer("north", DIGEST, 4, {"val": EVALUATION, "test": EVALUATION})
    site, digest, server_round, evaluations = messages.unpack_answer(content, TWO)
    assert (site, digest, server_round) == ("north", DIGEST, 4)
    assert list(evaluations) == ["val", "test"]
    assert all(np.array_equal(found.histograms.dense, EVALUATION.histograms.dense) for found in evaluations.values())


@pytest.mark.parametrize("classes", [2, 5])
def test_any_evaluation_makes_a_round_trip(classes: int) -> None:
    rng = np.random.default_rng(0)
    task = Classification(tuple("abcde"[:classes]))
    (found,) = task.evaluate_parts(rng.normal(size=(500, classes)) * 3, rng.integers(classes, size=500), [500])
    *_, back = messages.unpack_answer(messages.pack_answer("north", DIGEST, 4, {"test": found}), task)
    assert np.array_equal(back["test"].confusion, found.confusion)
    assert np.array_equal(back["test"].histograms.dense, found.histograms.dense)
    assert back["test"].loss_sum == found.loss_sum


@pytest.mark.parametrize("value", NOT_COUNTS)
def test_a_round_that_can_not_be_is_refused(value: Any) -> None:
    content = with_key(messages.pack_answer("north", DIGEST, 4, {}), messages.SITE, "round", value)
    with pytest.raises(WireError, match="`round` must be a whole number"):
        messages.unpack_answer(content, TWO)


@pytest.mark.parametrize(
    "value", [None, [1, 2, 0], [1] * 9, [3, 0, 0, -1], [3, 0, 0, HUGE], [1.0, 1.0, 1.0, 0.0], [True] * 4, "1110"]
)
def test_confusion_counts_that_do_not_fit_are_refused(value: Any) -> None:
    with pytest.raises(WireError, match="confusion counts must be one whole number per pair of classes"):
        messages.unpack_answer(answer_with("confusion", value), TWO)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "0.5", 3])
def test_an_evaluation_loss_that_is_not_finite_is_refused(value: Any) -> None:
    with pytest.raises(WireError, match="evaluation loss is not a finite number"):
        messages.unpack_answer(answer_with("loss-sum", value), TWO)


@pytest.mark.parametrize("key", ["bins", "counts"])
@pytest.mark.parametrize("value", [None, b"abc", b"\0\0\0\0\0", "text", 3])
def test_a_histogram_that_is_not_bytes_of_whole_numbers_is_refused(key: str, value: Any) -> None:
    with pytest.raises(WireError, match=f"the evaluation lacks `{key}`"):
        messages.unpack_answer(answer_with(key, value), TWO)


@pytest.mark.parametrize(
    ("key", "value"), [("bins", u4(1)), ("counts", u4(1)), ("counts", b"\0"), ("bins", u4(1, 2, 2**32 - 1))]
)
def test_a_histogram_of_another_size_is_refused(key: str, value: bytes) -> None:
    with pytest.raises(WireError, match="score histogram does not fit the plan's classes"):
        messages.unpack_answer(answer_with(key, value), TWO)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("counts", u4(1, 1, 2)),
        ("counts", u4(0, 0, 0)),
        ("counts", u4(2**32 - 1, 1, 1)),
        ("confusion", [2, 0, 0, 2]),
    ],
)
def test_a_histogram_that_disagrees_with_the_confusion_counts_is_refused(key: str, value: Any) -> None:
    with pytest.raises(WireError, match="disagree on the number of cases"):
        messages.unpack_answer(answer_with(key, value), TWO)


@pytest.mark.parametrize("bins", [u4(7, 7, 7), u4(3, 2, 5000)])
def test_a_histogram_that_names_a_bin_twice_or_out_of_order_is_refused(bins: bytes) -> None:
    with pytest.raises(WireError, match="must name each bin once, in ascending order"):
        messages.unpack_answer(answer_with("bins", bins), TWO)


def test_positives_that_disagree_with_the_confusion_counts_are_refused() -> None:
    """Three cases in all, but the histogram says that none is of class 1."""
    with pytest.raises(WireError, match="disagree"):
        messages.unpack_answer(answer_with("bins", u4(1, 2, 3)), TWO)


def test_an_evaluation_for_other_classes_is_refused() -> None:
    content = messages.pack_answer("north", DIGEST, 4, {"val": EVALUATION})
    with pytest.raises(WireError, match="confusion counts"):
        messages.unpack_answer(content, Classification(("a", "b", "c")))


def test_an_evaluation_of_the_wrong_kind_is_refused() -> None:
    content = messages.pack_answer("north", DIGEST, 4, {})
    content[f"{messages.LOCAL_METRICS}.val"] = ArrayRecord()
    with pytest.raises(WireError, match="the message lacks"):
        messages.unpack_answer(content, TWO)
