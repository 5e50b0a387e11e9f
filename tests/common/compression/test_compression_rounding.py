"""float16 and int8: numbers by hand, the mean of a stochastic rounding, what error feedback promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.common.compression.float16 import Float16
from fedgraft.common.compression.int8 import Int8, dequantise, quantise
from fedgraft.common.errors import WireError

SHAPES = [(64,), (2, 40), (5, 4, 3, 3), (100, 1)]


def test_int8_by_hand() -> None:
    """Row 1: scale 1.27 / 127 = 0.01. Row 2: nothing to scale. Row 3: constant, all at the last step."""
    change = torch.tensor([[1.27, -0.5, 0.014], [0.0, 0.0, 0.0], [-3.0, -3.0, -3.0]])
    parts = quantise(change, None)
    assert parts[""].tolist() == [[127, -50, 1], [0, 0, 0], [-127, -127, -127]]
    np.testing.assert_allclose(parts["#scale"].numpy(), [0.01, 0.0, 3 / 127], rtol=1e-6)
    expected = [[1.27, -0.5, 0.01], [0.0, 0.0, 0.0], [-3.0, -3.0, -3.0]]
    np.testing.assert_allclose(dequantise("w", parts, (3, 3)).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(("shape", "scales"), [((6,), 1), ((1,), 1), ((), 1), ((3, 2), 3), ((2, 3, 4, 5), 2)])
def test_a_vector_has_one_scale_and_a_matrix_one_a_row(shape: tuple[int, ...], scales: int) -> None:
    change = torch.full(shape, 0.5)
    parts = quantise(change, torch.Generator())
    assert (parts[""].shape, parts["#scale"].shape) == (shape, (scales,))
    assert torch.allclose(dequantise("w", parts, shape), change)


@pytest.mark.parametrize("largest", [1e-45, 1e-43, 1e-38, 1e38])
def test_the_smallest_and_largest_numbers_stay_within_a_step(largest: float) -> None:
    change = torch.tensor([largest, -largest, 0.3 * largest])
    parts = quantise(change, torch.Generator().manual_seed(0))
    error = (dequantise("w", parts, (3,)) - change).abs().max()
    assert float(error) <= max(largest / 127 * 1.01, 1e-43)


def test_stochastic_rounding_is_right_on_average() -> None:
    """1000 draws of 64 numbers: one draw's standard deviation is at most half a step, the mean's a 63rd of a step."""
    change = torch.linspace(-1, 1, 64) ** 3
    draw = torch.Generator().manual_seed(0)
    mean = torch.stack([dequantise("w", quantise(change, draw), (64,)) for _ in range(1000)]).mean(0)
    step = 1 / 127
    assert float((mean - change).abs().max()) < 5 * step / 63
    assert abs(float((mean - change).mean())) < 5 * step / 63 / 8


def test_it_takes_both_neighbours_and_no_other() -> None:
    change = torch.tensor([127.0, *[0.25] * 4000])
    steps = quantise(change, torch.Generator().manual_seed(0))[""][1:]
    assert set(steps.tolist()) == {0, 1}
    assert abs(float(steps.float().mean()) - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5


def test_the_same_generator_gives_the_same_payload() -> None:
    trained, received = {"w": torch.randn(4, 50), "v": torch.randn(80)}, {"w": torch.zeros(4, 50), "v": torch.zeros(80)}
    encode = Int8().encode
    one, again, other = (encode(trained, received, {}, torch.Generator().manual_seed(s)).payload for s in (1, 1, 2))
    backwards = dict(reversed(trained.items()))
    turned = encode(backwards, received, {}, torch.Generator().manual_seed(1)).payload
    assert all(torch.equal(one[name], again[name]) and torch.equal(one[name], turned[name]) for name in one)
    assert not torch.equal(one["w"], other["w"])


@pytest.mark.parametrize("shape", SHAPES)
def test_error_feedback_owes_at_most_a_step_after_any_number_of_rounds(shape: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    received = {"w": torch.zeros(shape)}
    residual: dict[str, Tensor] = {}
    true, decoded = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    for size in (1.0, 0.1, 3.0, 0.01, 1.0, 0.5) * 5:
        change = size * torch.randn(shape, generator=draw)
        encoded = Int8().encode({"w": change}, received, residual, draw)
        residual = encoded.residual
        true += change
        decoded += Int8().decode(encoded.payload, received)["w"]
        step = float(encoded.payload["w#scale"].max())
        assert float((true - decoded).abs().max()) <= step * 1.001
        assert float((true - decoded - residual["w"]).abs().max()) < 1e-5


def test_without_error_feedback_nothing_is_carried_over() -> None:
    trained, received = {"w": torch.randn(2, 64)}, {"w": torch.zeros(2, 64)}
    assert Int8(error_feedback=False).encode(trained, received, {}, torch.Generator()).residual == {}
    assert set(Int8().encode(trained, received, {}, torch.Generator()).residual) == {"w"}


@pytest.mark.parametrize("codec", [Float16(), Int8()], ids=repr)
def test_nothing_changed_is_nothing_decoded(codec: Float16 | Int8) -> None:
    received = {"w": torch.randn(2, 64)}
    encoded = codec.encode(received, received, {}, torch.Generator())
    assert torch.equal(codec.decode(encoded.payload, received)["w"], received["w"])


def test_float16_is_numpy_s_float16_of_the_change() -> None:
    received = {"w": torch.full((64,), 100.0)}
    trained = {"w": 100 + torch.linspace(-1, 1, 64)}
    encoded = Float16().encode(trained, received, {}, None)
    expected = (trained["w"].numpy() - np.float32(100)).astype(np.float16)
    assert encoded.payload["w"].numpy().dtype == np.float16
    assert (encoded.payload["w"].numpy() == expected).all()
    assert encoded.residual == {}
    back = Float16().decode(encoded.payload, received)["w"]
    assert (back.numpy() == np.float32(100) + expected.astype(np.float32)).all()


def test_a_late_small_change_is_not_lost_in_float16() -> None:
    """float16's steps near 1 are 0.001: the tensor itself in float16 would come back as it was."""
    received, trained = {"w": torch.ones(64)}, {"w": torch.full((64,), 1.0001)}
    back = Float16().decode(Float16().encode(trained, received, {}, None).payload, received)["w"]
    assert torch.allclose(back, trained["w"], rtol=0, atol=1e-7)
    assert bool((trained["w"].half() == received["w"].half()).all())


def test_what_float16_can_not_hold_travels_in_float32() -> None:
    received, trained = {"w": torch.zeros(64)}, {"w": torch.full((64,), 1e6)}
    payload = Float16().encode(trained, received, {}, None).payload
    assert payload["w"].dtype == torch.float32
    assert torch.equal(Float16().decode(payload, received)["w"], trained["w"])


def replaced(codec: Float16 | Int8, name: str, array: Tensor) -> None:
    """Decode a good payload in which one array was replaced."""
    received = {"w": torch.zeros(2, 40)}
    payload = codec.encode({"w": torch.ones(2, 40)}, received, {}, torch.Generator()).payload
    assert name in payload
    codec.decode({**payload, name: array}, received)


@pytest.mark.parametrize(
    ("codec", "name", "array", "reason"),
    [
        (Float16(), "w", torch.zeros(2, 40).double(), "w has dtype float64, the plan says float16 or float32"),
        (Float16(), "w", torch.zeros(80).half(), r"w has shape \(80,\), the plan says \(2, 40\)"),
        (Float16(), "w", torch.full((2, 40), torch.inf).half(), "w holds a number that is not finite"),
        (Int8(), "w", torch.zeros(2, 41, dtype=torch.int8), r"w has shape \(2, 41\), the plan says \(2, 40\)"),
        (Int8(), "w", torch.zeros(2, 40, dtype=torch.uint8), "w has dtype uint8, the plan says int8"),
        (Int8(), "w#scale", torch.zeros(3), r"w#scale has shape \(3,\), the plan says \(2,\)"),
        (Int8(), "w#scale", torch.zeros(2).half(), "w#scale has dtype float16, the plan says float32"),
        (Int8(), "w#scale", torch.tensor([1.0, torch.nan]), "w#scale holds a number that is not finite"),
        (Int8(), "w#scale", torch.tensor([1.0, -1.0]), "w#scale holds a negative scale"),
        (Int8(), "w#scale", torch.tensor([1.0, 3e38]), "w holds a number that is not finite"),
    ],
)
def test_a_malformed_payload_is_refused(codec: Float16 | Int8, name: str, array: Tensor, reason: str) -> None:
    with pytest.raises(WireError, match=f"tensor {reason}"):
        replaced(codec, name, array)
