"""``query.gradient`` there and back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from flwr.app import ArrayRecord, MetricRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.wire.given import unpack_given
from fedgraft.common.wire.gradient import (
    Gradient,
    pack_gradient,
    pack_gradient_question,
    unpack_gradient,
    unpack_gradient_question,
)
from fedgraft.common.wire.messages import Spec

TASK = Classification(("clear", "lesion"))
SPECS = {"head.weight": Spec((2, 3), "float32"), "head.bias": Spec((2,), "float32")}
TENSORS = {"head.weight": torch.ones(2, 3).double() / 3, "head.bias": torch.tensor([1e-12, 0.0]).double()}
ANSWER = Gradient("alder", "d", 2, TENSORS, 1.25, 7, {})


def test_a_question_holds_weights_counts_and_whether_to_evaluate() -> None:
    for evaluate in (True, False):
        order, asked = unpack_gradient_question(pack_gradient_question(TENSORS, {}, "d", 2, (3, 4), evaluate))
        assert (order.plan_digest, order.round, order.class_counts, asked) == ("d", 2, (3, 4), evaluate)
    content = pack_gradient_question(TENSORS, {}, "d", 2, None, True)
    config_of(content, "config")["evaluate"] = 1
    with pytest.raises(WireError, match="`evaluate` must be true or false"):
        unpack_gradient_question(content)


def test_an_answer_comes_back_to_the_last_bit() -> None:
    found = unpack_gradient(pack_gradient(ANSWER, "float64"), SPECS, "float64", TASK)
    assert all(torch.equal(found.tensors[name], TENSORS[name]) for name in TENSORS)
    assert replace(found, tensors=TENSORS) == ANSWER


def test_a_matrix_whose_rows_sum_to_zero_travels_without_its_last_row() -> None:
    """Two classes of 64 features: 64 + 2 numbers of four bytes instead of 130 of eight."""
    row = torch.arange(64.0).double()
    tensors = {"head.weight": torch.stack([row, -row]), "head.bias": torch.tensor([0.5, -0.5]).double()}
    specs = {"head.weight": Spec((2, 64), "float32"), "head.bias": Spec((2,), "float32")}
    content = pack_gradient(replace(ANSWER, tensors=tensors), "float32")
    record = content["arrays"]
    assert isinstance(record, ArrayRecord)
    assert (record["head.weight"].shape, record["head.weight"].dtype) == ((1, 64), "float32")
    found = unpack_gradient(content, specs, "float32", TASK).tensors
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_any_other_matrix_travels_whole() -> None:
    tensors = {"head.weight": torch.ones(2, 64).double(), "head.bias": torch.zeros(2).double()}
    specs = {"head.weight": Spec((2, 64), "float32"), "head.bias": Spec((2,), "float32")}
    content = pack_gradient(replace(ANSWER, tensors=tensors), "float32")
    assert unpack_gradient(content, specs, "float32", TASK).tensors["head.weight"].sum() == 128
    with pytest.raises(WireError, match=r"head.weight has shape \(2, 64\), the plan says \(3, 65\)"):
        unpack_gradient(content, {**specs, "head.weight": Spec((3, 65), "float32")}, "float32", TASK)


def test_given_tensors_come_with_a_question_or_not() -> None:
    given = {"scale.mean": torch.tensor([1.0, 2.0])}
    specs = {"scale.mean": Spec((2,), "float32")}
    came = unpack_given(pack_gradient_question(TENSORS, given, "d", 2, None, True), specs)
    assert came is not None
    assert torch.equal(came["scale.mean"], given["scale.mean"])
    assert unpack_given(pack_gradient_question(TENSORS, {}, "d", 2, None, False), specs) is None


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
    content = pack_gradient(ANSWER, "float64")
    change(content)
    with pytest.raises(WireError, match=words):
        unpack_gradient(content, SPECS, "float64", TASK)
