"""Held arrays are Flower's own arrays to everybody else: on the wire, in a pickle, in a strategy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from fedgraft.common.wire import arrays
from fedgraft.common.wire.arrays import HeldArray

KINDS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.zeros((0, 4), np.float16),
    np.array(7, np.int64),
    np.array([1, -2], np.int8),
    np.ones((1,) * 12, np.float64),
    np.arange(100_000, dtype=np.uint8),
]


@pytest.mark.parametrize("values", KINDS, ids=lambda v: f"{v.dtype}{v.shape}")
def test_its_bytes_are_those_of_flower_s_array(values: np.ndarray) -> None:
    held, plain = HeldArray(values), Array(values)
    assert (held.dtype, held.shape, held.stype) == (plain.dtype, plain.shape, plain.stype)
    assert arrays.count_bytes(held) == len(plain.data) == arrays.count_bytes(plain)
    assert held.data == plain.data


@pytest.mark.parametrize("values", KINDS, ids=lambda v: f"{v.dtype}{v.shape}")
def test_it_travels_as_flower_s_array(values: np.ndarray) -> None:
    """Through the very functions by which Flower takes a message apart and puts it together."""
    record = ArrayRecord({"a": HeldArray(values)})
    objects = {key: item.deflate() for key, item in get_all_nested_objects(record).items()}
    back = inflate_object_from_contents(record.object_id, objects)
    assert type(back["a"]) is Array
    assert np.array_equal(back["a"].numpy(), values) and back["a"].numpy().dtype == values.dtype


def test_another_process_gets_a_plain_array() -> None:
    back = pickle.loads(pickle.dumps(HeldArray(KINDS[0])))
    assert type(back) is Array
    assert np.array_equal(back.numpy(), KINDS[0])


def test_bytes_are_made_only_when_asked_for() -> None:
    held = HeldArray(KINDS[0])
    assert arrays.read("a", held) is KINDS[0]
    arrays.count_bytes(held)
    assert "_bytes" not in held.__dict__


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_one_number_that_is_not_finite_is_seen(bad: float, dtype: type[np.floating]) -> None:
    values = np.ones((50, 50), dtype)
    tensors = {"fine": torch.ones(3), "n": torch.tensor(7), "a": torch.from_numpy(values)}
    assert arrays.not_finite(tensors) is None
    values[31, 7] = bad
    assert arrays.not_finite(tensors) == "a"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_whose_squares_overflow_are_finite(dtype: type[np.floating]) -> None:
    assert arrays.not_finite({"a": torch.from_numpy(np.full(10, np.finfo(dtype).max, dtype))}) is None


def test_no_tensor_is_finite() -> None:
    assert arrays.not_finite({}) is None
