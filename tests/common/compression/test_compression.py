"""Compression in both directions: from the plan, down and up, its size, and what a federation learns through it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fedgraft.common.compression.changed import Changed
from fedgraft.common.compression.changes import SMALL, rounded
from fedgraft.common.compression.compression import Down, down_decode, down_encode, largest_payload, up_codec
from fedgraft.common.compression.exact import Exact
from fedgraft.common.compression.float16 import Float16
from fedgraft.common.compression.int8 import Int8
from fedgraft.common.compression.top_k import TopK
from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.interfaces.codec import Codec
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import CompressionSection
from fedgraft.common.tensors import count_bytes
from fedgraft.common.wire.messages import pack_tensors, specs_of

PlanOf = Callable[..., Plan]
ROUNDS = 200
CODECS = [Exact(), Float16(), Int8(), Int8(error_feedback=False), TopK(0.1), Changed()]


def model(seed: int = 0) -> dict[str, Tensor]:
    """Every kind of tensor that a plan can share."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "head.weight": torch.randn(3, 40, generator=generator),
        "head.bias": torch.randn(3, generator=generator),
        "conv.weight": torch.randn(8, 4, 3, 3, generator=generator),
        "bn.running_mean": torch.randn(100, generator=generator),
        "bn.running_var": torch.rand(100, generator=generator),
        "bn.num_batches_tracked": torch.tensor(7 + seed),
        "temperature": torch.tensor(0.5 + seed),
        "flags": torch.tensor([True, bool(seed)]),
        "double": torch.randn(70, generator=generator, dtype=torch.float64),
    }


def test_the_plan_names_the_codec(plan_of: PlanOf) -> None:
    assert up_codec(plan_of().compression) == Exact()
    assert up_codec(plan_of("compression=float16").compression) == Float16()
    assert up_codec(plan_of("compression=int8").compression) == Int8(error_feedback=True)
    assert up_codec(plan_of("compression=topk", "compression.fraction=0.01").compression) == TopK(0.01)
    assert up_codec(plan_of("compression=changed").compression) == Changed()


def test_the_default_is_exact_both_ways_and_who_rounds_up_rounds_down(plan_of: PlanOf) -> None:
    down = {name: plan_of(f"compression={name}").compression.down for name in ("none", "float16", "int8", "topk")}
    assert down == {"none": "exact", "float16": "float16", "int8": "int8", "topk": "exact"}


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01])
def test_a_fraction_outside_0_to_1_is_named(plan_of: PlanOf, fraction: float) -> None:
    with pytest.raises(PlanError, match=rf"compression\.fraction={fraction}: input should be (greater|less) than"):
        plan_of("compression=topk", f"compression.fraction={fraction}")
    topk = CompressionSection("fedgraft.common.compression.top_k.TopK", "exact", {"fraction": fraction})
    with pytest.raises(PlanError, match=rf"compression\.fraction={fraction}"):
        up_codec(topk)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["+compression.fraction=0.5", "compression=int8"], "compression.fraction is not an option of int8"),
        (["compression=int8", "compression.error_feedback=1"], "compression.error_feedback=1"),
        (["compression=topk", "~compression.fraction"], "compression.fraction is required by topk"),
        (["compression._target_=fedgraft.common.heads.heads.Linear"], "compression._target_=.*is not a Codec"),
        (["compression._target_=zlib.compress"], "compression._target_=zlib.compress is not in an allowed package"),
    ],
)
def test_what_is_wrong_with_the_section_is_named(plan_of: PlanOf, overrides: list[str], problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        plan_of(*overrides)


def test_what_must_not_be_rounded() -> None:
    sent = {name for name, tensor in model().items() if not rounded(name, tensor)}
    assert sent == set(model()) - {"head.weight", "conv.weight"}
    assert rounded("w", torch.zeros(SMALL))
    assert not rounded("w", torch.zeros(SMALL - 1))
    assert not rounded("w", torch.zeros(0))
    assert not rounded("reference.second", torch.zeros(1, SMALL, SMALL))


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_names_shapes_and_dtypes_come_back_and_the_inputs_stay(codec: Codec) -> None:
    trained, received = model(1), model(0)
    payload = codec.encode(trained, received, {}, torch.Generator()).payload
    back = codec.decode(payload, received)
    assert {name: (t.shape, t.dtype) for name, t in back.items()} == {
        name: (t.shape, t.dtype) for name, t in trained.items()
    }
    assert all(torch.equal(back[name], t) for name, t in trained.items() if not rounded(name, t))
    assert all(torch.equal(t, model(0)[name]) for name, t in received.items())
    assert all(torch.equal(t, model(1)[name]) for name, t in trained.items())
    plain = {torch.float16, torch.int8, torch.int32, torch.int64, torch.float32, torch.float64, torch.bool}
    assert {t.dtype for t in payload.values()} <= plain
    assert set(pack_tensors(payload)) == set(payload)


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_a_payload_lacks_nothing_and_brings_nothing_else(codec: Codec) -> None:
    trained, received = model(1), model(0)
    payload = codec.encode(trained, received, {}, torch.Generator()).payload
    with pytest.raises(WireError, match="tensor names differ: 0 missing, 1 not in the plan"):
        codec.decode({**payload, "extra": torch.zeros(1)}, received)
    if codec != Changed():
        del payload["head.bias"]
        with pytest.raises(WireError, match="tensor names differ: 1 missing, 0 not in the plan"):
            codec.decode(payload, received)


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (torch.zeros(4), r"tensor head.bias has shape \(4,\), the plan says \(3,\)"),
        (torch.zeros(3, dtype=torch.float16), "tensor head.bias has dtype float16, the plan says float32"),
        (torch.tensor([0.0, 1.0, float("nan")]), "tensor head.bias holds a number that is not finite"),
    ],
)
def test_an_array_that_does_not_fit_is_named(codec: Codec, array: Tensor, reason: str) -> None:
    trained, received = model(1), model(0)
    payload = codec.encode(trained, received, {}, torch.Generator()).payload
    with pytest.raises(WireError, match=reason):
        codec.decode({**payload, "head.bias": array}, received)


@pytest.mark.parametrize("codec", CODECS[1:5], ids=repr)
@pytest.mark.parametrize("name", ["head.weight", "head.bias"])
def test_what_is_not_finite_is_not_rounded_into_something_that_is(codec: Codec, name: str) -> None:
    trained = model(1)
    trained[name].view(-1)[0] = float("inf")
    with pytest.raises(WireError, match=f"tensor {name} holds a number that is not finite"):
        codec.encode(trained, model(0), {}, torch.Generator())


@pytest.mark.parametrize("codec", [Int8(), TopK(0.1)], ids=repr)
def test_a_residual_of_another_model_is_refused(codec: Codec) -> None:
    with pytest.raises(WireError, match=r"tensor head.weight has shape \(2, 40\), the plan says \(3, 40\)"):
        codec.encode(model(1), model(0), {"head.weight": torch.zeros(2, 40)}, torch.Generator())


@pytest.mark.parametrize("kind", ["exact", "float16", "int8"])
def test_down_is_the_nearest(kind: Down) -> None:
    tensors = model()
    payload = down_encode(tensors, kind)
    back = down_decode(payload, specs_of(tensors), kind)
    assert {name: (t.shape, t.dtype) for name, t in back.items()} == {
        name: (t.shape, t.dtype) for name, t in tensors.items()
    }
    assert all(torch.equal(back[name], t) for name, t in tensors.items() if kind == "exact" or not rounded(name, t))
    head, largest = tensors["head.weight"], tensors["head.weight"].abs().amax(1, keepdim=True)
    step = {"exact": torch.zeros(1), "float16": head.abs() * 2**-10, "int8": largest / 127}[kind]
    assert bool(((back["head.weight"] - head).abs() <= step / 2 + 1e-6).all())
    assert all(torch.equal(down_encode(tensors, kind)[name], array) for name, array in payload.items())


def test_down_is_checked_against_the_plan() -> None:
    tensors = {"head.weight": torch.ones(2, 64)}
    with pytest.raises(WireError, match="1 missing, 0 not in the plan"):
        down_decode({"head.weight": torch.zeros(2, 64, dtype=torch.int8)}, specs_of(tensors), "int8")


def test_the_size_of_a_payload() -> None:
    """(10, 100) float32 and a bias of 10: 4000 + 40 bytes exact."""
    tensors = {"head.weight": torch.randn(10, 100), "head.bias": torch.randn(10)}
    sizes = {type(codec).__name__: count_bytes(largest_payload(codec, tensors)) for codec in CODECS}
    assert sizes == {
        "Exact": 4040,
        "Float16": 2000 + 40,
        "Int8": 1000 + 10 * 4 + 40,
        "TopK": 100 * 8 + 40,
        "Changed": 4040,
    }


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_a_real_update_is_not_larger_than_the_largest(codec: Codec) -> None:
    sent = codec.encode(model(1), model(0), {}, torch.Generator()).payload
    assert count_bytes(sent) <= count_bytes(largest_payload(codec, model()))


@pytest.mark.parametrize(
    ("codec", "down", "tolerance"),
    [
        (Exact(), "exact", 1e-4),
        (Changed(), "exact", 1e-4),
        (Float16(), "float16", 1e-3),
        (Int8(), "exact", 1e-3),
        (Int8(error_feedback=False), "exact", 2e-3),
        (Int8(), "int8", 0.01),
        (TopK(0.1), "exact", 0.05),
        (TopK(0.1), "int8", 0.05),
    ],
    ids=repr,
)
def test_a_federation_reaches_the_mean_of_its_sites(codec: Codec, down: Down, tolerance: float) -> None:
    """Each site steps towards its own optimum, about 1 away, with the rate that train.schedule=cosine gives."""
    targets = [torch.randn(2, 200, generator=torch.Generator().manual_seed(site)) for site in range(3)]
    master = {"w": torch.zeros(2, 200)}
    residuals: list[dict[str, Tensor]] = [{}, {}, {}]
    draw = torch.Generator().manual_seed(0)
    for step in range(ROUNDS):
        rate = 0.05 * (1 + math.cos(math.pi * step / ROUNDS))
        sent = down_decode(down_encode(master, down), specs_of(master), down)
        updates = []
        for site, target in enumerate(targets):
            trained = {"w": sent["w"] + rate * (target - sent["w"])}
            encoded = codec.encode(trained, sent, residuals[site], draw)
            residuals[site] = encoded.residual
            updates.append(codec.decode(encoded.payload, master)["w"])
        master = {"w": torch.stack(updates).mean(0)}
    assert float((master["w"] - torch.stack(targets).mean(0)).abs().max()) < tolerance


@pytest.mark.parametrize("codec", [Float16(), Int8(), TopK(0.5)], ids=repr)
def test_steps_smaller_than_what_down_keeps_still_add_up(codec: Codec) -> None:
    """A row that reaches to 127 has steps of 1 in int8; 300 changes of 0.01 are 3, though each is sent as nothing."""
    master = {"w": torch.full((64,), 127.0)}
    residual: dict[str, Tensor] = {}
    for _ in range(300):
        sent = down_decode(down_encode(master, "int8"), specs_of(master), "int8")
        trained = {"w": sent["w"] - 0.01 * (torch.arange(64) > 31)}
        encoded = codec.encode(trained, sent, residual, torch.Generator().manual_seed(0))
        residual = encoded.residual
        master = codec.decode(encoded.payload, master)
    assert torch.allclose(master["w"], 127 - 3.0 * (torch.arange(64) > 31), atol=0.02)
