"""Top-k and what changed: numbers by hand, against numpy, bit for bit, and payloads that are not what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.common.compression.changed import Changed
from fedgraft.common.compression.sparse import places, put
from fedgraft.common.compression.top_k import TopK
from fedgraft.common.errors import WireError


def ints(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int32)


def test_places_by_hand() -> None:
    parts = places(torch.tensor([5.0, 6.0, 7.0, 8.0]), torch.tensor([1, 3]))
    assert (parts["#index"].dtype, parts["#index"].tolist(), parts["#value"].tolist()) == (torch.int32, [1, 3], [6, 8])
    assert put("w", parts, torch.zeros(2, 2)).tolist() == [[0, 6], [0, 8]]


def test_the_three_largest_by_hand() -> None:
    """3 of 100 numbers: the rest is owed, and goes out when it has become the largest."""
    received = {"w": torch.ones(100)}
    change = torch.zeros(100)
    change[[7, 20, 50, 51, 99]] = torch.tensor([0.5, -4.0, 0.75, 2.0, -1.0])
    encoded = TopK(0.03).encode({"w": 1 + change}, received, {}, None)
    assert encoded.payload["w#index"].tolist() == [20, 51, 99]
    assert encoded.payload["w#value"].tolist() == [-4.0, 2.0, -1.0]
    decoded = TopK(0.03).decode(encoded.payload, received)["w"]
    assert [decoded[i].item() for i in (7, 20, 50, 51, 99)] == [1.0, -3.0, 1.0, 3.0, 0.0]
    assert encoded.residual["w"].nonzero().flatten().tolist() == [7, 50]
    later = TopK(0.03).encode(received, received, encoded.residual, None)
    assert set(later.payload["w#value"].tolist()) == {0.0, 0.5, 0.75}
    assert not later.residual["w"].any()


@pytest.mark.parametrize("shape", [(64,), (5, 40), (3, 4, 3, 3)])
@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 1.0])
def test_it_keeps_what_numpy_sorts_to_the_end(shape: tuple[int, ...], fraction: float) -> None:
    change = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    received = {"w": torch.zeros(shape)}
    decoded = TopK(fraction).decode(TopK(fraction).encode({"w": change}, received, {}, None).payload, received)["w"]
    count = max(1, round(fraction * change.numel()))
    largest = np.argsort(np.abs(change.numpy().ravel()))[-count:]
    expected = np.zeros(change.numel(), np.float32)
    expected[largest] = change.numpy().ravel()[largest]
    assert (decoded.numpy().ravel() == expected).all()


def test_what_topk_sent_and_owes_is_what_was_trained() -> None:
    draw = torch.Generator().manual_seed(0)
    received = {"w": torch.zeros(4, 50)}
    residual: dict[str, Tensor] = {}
    true, decoded = torch.zeros(4, 50, dtype=torch.float64), torch.zeros(4, 50, dtype=torch.float64)
    for _ in range(30):
        change = torch.randn(4, 50, generator=draw)
        encoded = TopK(0.1).encode({"w": change}, received, residual, None)
        residual = encoded.residual
        true += change
        decoded += TopK(0.1).decode(encoded.payload, received)["w"]
    assert float((true - decoded - residual["w"]).abs().max()) < 1e-5
    for _ in range(10):  # nothing new is trained: after 1 / fraction rounds nothing is owed
        encoded = TopK(0.1).encode(received, received, residual, None)
        residual = encoded.residual
        decoded += TopK(0.1).decode(encoded.payload, received)["w"]
    assert float((true - decoded).abs().max()) < 1e-5


def test_zeros_and_small_tensors() -> None:
    received = {"w": torch.ones(100), "one": torch.ones(1), "scalar": torch.tensor(1.0), "none": torch.ones(0)}
    encoded = TopK(0.1).encode(received, received, {}, None)
    assert set(encoded.payload) == {"w#index", "w#value", "one", "scalar", "none"}
    assert all(torch.equal(t, received[name]) for name, t in TopK(0.1).decode(encoded.payload, received).items())


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("w#index", ints(3, 3), "w#index must increase, each index once"),
        ("w#index", ints(4, 3), "w#index must increase, each index once"),
        ("w#index", ints(-1, 3), "w#index points outside its tensor of 100 numbers"),
        ("w#index", ints(3, 100), "w#index points outside its tensor of 100 numbers"),
        ("w#index", ints(3, 4).long(), "w#index has dtype int64, the plan says int32"),
        ("w#index", ints(3, 4, 5), r"w#index has shape \(3,\), the plan says \(2,\)"),
        ("w#index", ints(3, 4)[None], r"w#index has shape \(1, 2\), the plan says \(2,\)"),
        ("w#value", torch.zeros(3), r"w#value has shape \(3,\), the plan says \(2,\)"),
        ("w#value", torch.zeros(2).half(), "w#value has dtype float16, the plan says float32"),
        ("w#value", torch.tensor([0.0, torch.nan]), "w#value holds a number that is not finite"),
    ],
)
def test_a_malformed_topk_payload_is_refused(name: str, array: Tensor, reason: str) -> None:
    received = {"w": torch.zeros(100)}
    payload = TopK(0.02).encode({"w": torch.ones(100)}, received, {}, None).payload
    with pytest.raises(WireError, match=f"tensor {reason}"):
        TopK(0.02).decode({**payload, name: array}, received)


def bits(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()


@pytest.mark.parametrize("seed", range(20))
def test_what_changed_comes_back_bit_for_bit(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    kinds = {"w": (30, 10), "v": (64,), "b": (3,), "s": (), "none": (0,)}
    received = {name: torch.randn(shape, generator=draw) for name, shape in kinds.items()}
    received |= {"count": torch.tensor(3), "flags": torch.zeros(9, dtype=torch.bool), "half": torch.zeros(200).half()}
    part = float(torch.rand(1, generator=draw)) ** 2
    trained = {
        name: torch.where(torch.rand(old.shape, generator=draw) < part, old + 1, old).to(old.dtype)
        for name, old in received.items()
    }
    payload = Changed().encode(trained, received, {}, None).payload
    back = Changed().decode(payload, received)
    assert all(
        bits(back[name]) == bits(tensor) and back[name].dtype == tensor.dtype for name, tensor in trained.items()
    )


def test_what_did_not_change_is_not_sent() -> None:
    received = {"w": torch.randn(100), "b": torch.randn(2), "count": torch.tensor(1)}
    assert Changed().encode(received, received, {}, None).payload == {}
    back = Changed().decode({}, received)
    assert all(torch.equal(back[name], received[name]) for name in received)
    assert back["w"] is not received["w"]


def test_a_pointwise_convolution_that_lies_channels_last() -> None:
    """Of its 32 x 8 x 1 x 1 numbers one changes; in that layout none of its strides is 1."""
    old = torch.arange(256.0).reshape(32, 8, 1, 1).to(memory_format=torch.channels_last)
    new = old.clone(memory_format=torch.preserve_format)
    new[3, 2] += 1
    payload = Changed().encode({"w": new}, {"w": old}, {}, torch.Generator()).payload
    assert payload["w#index"].tolist() == [3 * 8 + 2]
    assert payload["w#value"].tolist() == [27.0]


def test_minus_zero_is_a_change() -> None:
    received, trained = {"w": torch.zeros(2)}, {"w": torch.tensor([0.0, -0.0])}
    back = Changed().decode(Changed().encode(trained, received, {}, None).payload, received)
    assert bits(back["w"]) == bits(trained["w"])


def test_few_numbers_go_with_their_places_and_many_go_whole() -> None:
    """1000 float32 are 4000 bytes; k numbers with places are 8 k, plus 256 for the second array: whole from 468 on."""
    received = {"w": torch.zeros(10, 100)}
    for changed, names in ((1, {"w#index", "w#value"}), (467, {"w#index", "w#value"}), (468, {"w"}), (1000, {"w"})):
        trained = {"w": (torch.arange(1000) < changed).float().reshape(10, 100)}
        assert set(Changed().encode(trained, received, {}, None).payload) == names


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"w": torch.zeros(10)}, r"tensor w has shape \(10,\), the plan says \(100,\)"),
        ({"w": torch.zeros(100).half()}, "tensor w has dtype float16, the plan says float32"),
        ({"w": torch.full((100,), torch.nan)}, "tensor w holds a number that is not finite"),
        ({"w#index": ints(1)}, "tensor names differ: 1 missing, 0 not in the plan"),
        ({"w#value": torch.ones(1)}, "tensor names differ: 1 missing, 0 not in the plan"),
        ({"w": torch.zeros(100), "w#index": ints(1)}, "tensor names differ: 0 missing, 1 not in the plan"),
        ({"w#index": ints(1, 1), "w#value": torch.ones(2)}, "tensor w#index must increase, each index once"),
        ({"w#index": ints(100), "w#value": torch.ones(1)}, "tensor w#index points outside its tensor of 100 numbers"),
        ({"w#index": ints(1).long(), "w#value": torch.ones(1)}, "tensor w#index has dtype int64, the plan says int32"),
        ({"w#index": ints(1), "w#value": torch.ones(2)}, r"tensor w#value has shape \(2,\), the plan says \(1,\)"),
        ({"w#index": ints(1), "w#value": ints(1)}, "tensor w#value has dtype int32, the plan says float32"),
        (
            {"w#index": ints(1), "w#value": torch.tensor([torch.inf])},
            "tensor w#value holds a number that is not finite",
        ),
    ],
)
def test_a_malformed_payload_of_changes_is_refused(payload: dict[str, Tensor], reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        Changed().decode(payload, {"w": torch.zeros(100)})
