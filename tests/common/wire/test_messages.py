"""What travels: round trips, and every refusal of what another machine could send."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fedgraft.common import tensors
from fedgraft.common.errors import WireError
from fedgraft.common.tasks.classification import ClassEvaluation, Classification
from fedgraft.common.wire import messages

SHARED = {"head.weight": torch.tensor([[1.0, 2.0, 3.0]]), "head.bias": torch.tensor([0.5])}
SPECS = {"head.weight": messages.Spec((1, 3), "float32"), "head.bias": messages.Spec((1,), "float32")}
TWO = Classification(("clear", "lesion"))
(VAL,) = TWO.evaluate_parts(np.array([[0.0, 1.0], [0.0, -2.0], [0.0, 3.0]]), np.array([1, 0, 0]), [3])
UPDATE = messages.Update("north", "ab" * 32, 3, SHARED, 40, 0.25, {"val": VAL})
HUGE = 10**9 + 1


def array(values: Any) -> Array:
    return Array(np.asarray(values))


def record(**changes: Array | None) -> ArrayRecord:
    """The shared tensors as they travel, some replaced or (None) left out."""
    arrays = {name: array(tensor.numpy()) for name, tensor in SHARED.items()}
    arrays |= {name.replace("_", "."): value for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if value is None:
            del arrays[name.replace("_", ".")]
    return ArrayRecord(arrays)


def test_specs_by_hand() -> None:
    assert messages.specs_of(SHARED) == SPECS
    assert messages.specs_of({"n": torch.tensor(1)}) == {"n": messages.Spec((), "int64")}


def test_tensors_make_a_round_trip_in_the_order_of_their_names() -> None:
    packed = messages.pack_tensors(SHARED)
    assert list(packed) == ["head.bias", "head.weight"]
    back = messages.unpack_tensors(packed, SPECS)
    assert tensors.digest(back) == tensors.digest(SHARED)


def npz_bytes() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(1, np.float32))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "strange",
    [
        array(np.ones(1, np.longdouble)),
        array(np.ones(1, np.uint64)),
        Array("float32", (1,), "numpy.ndarray", npz_bytes()),
    ],
    ids=["longdouble", "uint64", "npz"],
)
def test_what_torch_does_not_know_is_refused_compressed_or_not(strange: Array) -> None:
    """A compressed payload's names are the sender's: none of them is repeated."""
    with pytest.raises(WireError, match=r"tensor head\.bias is not made of plain numbers"):
        messages.unpack_tensors(record(head_bias=strange), SPECS)
    with pytest.raises(WireError, match=r"^an array is not made of plain numbers$"):
        messages.unpack_any(ArrayRecord({"a text\nof theirs": strange}))


def test_within_a_process_nothing_is_copied() -> None:
    back = messages.unpack_tensors(messages.pack_tensors(SHARED), SPECS)
    assert back["head.bias"].data_ptr() == SHARED["head.bias"].data_ptr()


def test_a_strategy_can_not_write_to_what_was_packed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        messages.pack_tensors(SHARED)["head.bias"].numpy()[0] = 7


def test_a_missing_and_an_extra_name_are_counted() -> None:
    with pytest.raises(WireError, match="tensor names differ: 1 missing, 0 not in the plan"):
        messages.unpack_tensors(record(head_bias=None), SPECS)
    with pytest.raises(WireError, match="tensor names differ: 0 missing, 1 not in the plan"):
        messages.unpack_tensors(record(extra=array([1.0])), SPECS)
    with pytest.raises(WireError, match="tensor names differ: 2 missing, 0 not in the plan"):
        messages.unpack_tensors(ArrayRecord(), SPECS)


@pytest.mark.parametrize("values", [[0.5, 0.5], [[0.5]], 0.5, np.zeros((0,))])
def test_a_wrong_shape_is_refused(values: Any) -> None:
    wrong = array(np.asarray(values, np.float32))
    with pytest.raises(WireError, match=r"tensor head\.bias has shape \(.*\), the plan says \(1,\)"):
        messages.unpack_tensors(record(head_bias=wrong), SPECS)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.bool_])
def test_a_wrong_dtype_is_refused(dtype: type) -> None:
    wrong = array(np.ones(1, dtype))
    with pytest.raises(WireError, match=r"tensor head\.bias has dtype .*, the plan says float32"):
        messages.unpack_tensors(record(head_bias=wrong), SPECS)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    wrong = array(np.array([number], np.float32))
    with pytest.raises(WireError, match=r"tensor head\.bias holds a number that is not finite"):
        messages.unpack_tensors(record(head_bias=wrong), SPECS)


@pytest.mark.parametrize("values", [np.ones(1, ">f4"), np.ones(1, np.complex64), np.array(["a"]), np.array([b"a"])])
def test_what_is_not_a_plain_number_is_refused(values: Any) -> None:
    with pytest.raises(WireError, match=r"tensor head\.bias is not made of plain numbers"):
        messages.unpack_tensors(record(head_bias=array(values)), SPECS)


class Bomb:
    """Goes off when unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("something was unpickled",))


def pickled() -> Array:
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], object), allow_pickle=True)
    return Array("float32", (1,), "numpy.ndarray", stream.getvalue())


@pytest.mark.parametrize(
    "wrong",
    [
        pickled(),
        Array("float32", (1,), "numpy.ndarray", b"not an array"),
        Array("float32", (1,), "numpy.ndarray", b""),
        Array("float32", (1,), "torch.pickle", b"\x80\x02}q\x00."),
    ],
    ids=["pickle", "text", "empty", "other kind"],
)
def test_what_can_not_be_decoded_is_refused_and_never_unpickled(wrong: Array) -> None:
    with pytest.raises(WireError, match=r"tensor head\.bias can't be decoded"):
        messages.unpack_tensors(record(head_bias=wrong), SPECS)
    with pytest.raises(WireError, match=r"^an array can't be decoded$"):
        messages.unpack_any(record(head_bias=wrong))


def test_bytes_count_the_numbers_and_little_more() -> None:
    state = {"conv.weight": torch.randn(100, 100)}
    counted = messages.count_bytes(RecordDict({messages.FROZEN: messages.pack_tensors(state)}))
    assert 40_000 <= counted < 40_500


def test_an_update_makes_a_round_trip() -> None:
    back = messages.unpack_update(messages.pack_update(UPDATE), SPECS, TWO)
    assert tensors.digest(back.tensors) == tensors.digest(SHARED)
    assert replace(back, tensors={}, evaluations={}) == replace(UPDATE, tensors={}, evaluations={})
    assert set(back.evaluations) == {"val"}
    assert np.array_equal(back.evaluations["val"].histograms.dense, VAL.histograms.dense)
    assert np.array_equal(back.evaluations["val"].confusion, VAL.confusion)
    assert back.evaluations["val"].loss_sum == VAL.loss_sum


def test_what_is_withheld_stays_withheld() -> None:
    back = messages.unpack_update(messages.pack_update(replace(UPDATE, train_loss=None, evaluations={})), SPECS, TWO)
    assert (back.train_loss, back.evaluations) == (None, {})


def with_metric(name: str, value: Any) -> RecordDict:
    content = messages.pack_update(UPDATE)
    metrics = dict(content.metric_records[messages.METRICS])
    metrics[name] = value
    content[messages.METRICS] = MetricRecord({key: item for key, item in metrics.items() if item is not None})
    return content


@pytest.mark.parametrize("count", [0, -1, 1.5, HUGE, None, [1]])
def test_a_count_of_cases_that_can_not_be_is_refused(count: Any) -> None:
    with pytest.raises(WireError, match="number of training cases must be a whole number above 0"):
        messages.unpack_update(with_metric(messages.EXAMPLES, count), SPECS, TWO)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), [0.5]])
def test_a_loss_that_is_not_finite_is_refused(loss: Any) -> None:
    with pytest.raises(WireError, match="training loss is not a finite number"):
        messages.unpack_update(with_metric("train-loss", loss), SPECS, TWO)


@pytest.mark.parametrize("key", [messages.ARRAYS, messages.METRICS])
def test_an_update_without_tensors_or_metrics_is_refused(key: str) -> None:
    content = messages.pack_update(UPDATE)
    del content[key]
    with pytest.raises(WireError, match="holds no tensors or no metrics"):
        messages.unpack_update(content, SPECS, TWO)
    content[key] = ConfigRecord({"a": 1})
    with pytest.raises(WireError, match="holds no tensors or no metrics"):
        messages.unpack_update(content, SPECS, TWO)


def test_an_update_of_another_plan_s_tensors_is_refused() -> None:
    with pytest.raises(WireError, match="tensor names differ"):
        messages.unpack_update(messages.pack_update(UPDATE), {"head.weight": SPECS["head.weight"]}, TWO)


def test_an_empty_evaluation_makes_a_round_trip() -> None:
    packed = messages.pack_answer("north", "ab" * 32, 1, {"test": TWO.empty()})
    *_, evaluations = messages.unpack_answer(packed, TWO)
    assert isinstance(evaluations["test"], ClassEvaluation)
    assert evaluations["test"].cases == 0
