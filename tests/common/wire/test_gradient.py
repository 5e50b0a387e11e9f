"""``query.gradient`` there and back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from flwr.app import MetricRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.wire.gradient import (
    Gradient,
    pack_gradient,
    pack_gradient_question,
    unpack_gradient,
    unpack_gradient_question,
    wide,
)
from fedgraft.common.wire.messages import Spec

TASK = Classification(("clear", "lesion"))
SPECS = {"head.weight": Spec((2, 3), "float32"), "head.bias": Spec((2,), "float32")}
TENSORS = {"head.weight": torch.ones(2, 3).double() / 3, "head.bias": torch.tensor([1e-12, 0.0]).double()}
ANSWER = Gradient("alder", "d", 2, TENSORS, 1.25, 7, {})


def test_a_question_holds_weights_counts_and_whether_to_evaluate() -> None:
    for evaluate in (True, False):
        order, asked = unpack_gradient_question(pack_gradient_question(TENSORS, "d", 2, (3, 4), evaluate))
        assert (order.plan_digest, order.round, order.class_counts, asked) == ("d", 2, (3, 4), evaluate)
    content = pack_gradient_question(TENSORS, "d", 2, None, True)
    config_of(content, "config")["evaluate"] = 1
    with pytest.raises(WireError, match="`evaluate` must be true or false"):
        unpack_gradient_question(content)


def test_an_answer_comes_back_to_the_last_bit() -> None:
    found = unpack_gradient(pack_gradient(ANSWER), SPECS, TASK)
    assert all(torch.equal(found.tensors[name], TENSORS[name]) for name in TENSORS)
    assert replace(found, tensors=TENSORS) == ANSWER
    assert wide(SPECS) == {"head.weight": Spec((2, 3), "float64"), "head.bias": Spec((2,), "float64")}


def _without_metrics(content: RecordDict) -> None:
    del content["metrics"]


def _without_arrays(content: RecordDict) -> None:
    del content["arrays"]


def _with(key: str, value: float) -> Callable[[RecordDict], None]:
    def change(content: RecordDict) -> None:
        record = content["metrics"]
        assert isinstance(record, MetricRecord)
        record[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without_metrics, "the gradient comes without metrics"),
        (_without_arrays, "the message lacks `arrays`"),
        (_with("num-examples", 0), "the number of training cases must be a whole number above 0"),
        (_with("loss", float("inf")), "the loss is not a finite number"),
        (_with("loss", 1), "the loss is not a finite number"),
    ],
)
def test_what_is_missing_or_strange_is_refused(change: Callable[[RecordDict], None], words: str) -> None:
    content = pack_gradient(ANSWER)
    change(content)
    with pytest.raises(WireError, match=words):
        unpack_gradient(content, SPECS, TASK)
