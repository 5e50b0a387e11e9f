"""Several networks over a federation: each site fetches what it lacks, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from flwr.app import RecordDict
from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.backbone import pack_backbone

PlanOf = Callable[..., Plan]
FIRST = "{name: test_efficientnet, size: 32, pretrained: false}"
SECOND = "{name: test_resnet, size: 32, pretrained: false}"


@pytest.fixture
def plan_with(compose_plan: PlanOf, request: pytest.FixtureRequest) -> PlanOf:
    """``plan_with(FIRST, SECOND)`` -> a plan of two small sites, with weights that no other test has."""
    seed = sum(request.node.name.encode()) % 9973

    def composed(*networks: str, more: tuple[str, ...] = ()) -> Plan:
        listed = f"features.networks=[{', '.join(networks)}]"
        small = (
            "data.sites=2",
            "data.cases=24",
            "data.image_size=null",
            "rounds=1",
            "loss.weights=none",
            f"seed={seed}",
        )
        return compose_plan("features=taps", "features.scale=own", listed, *small, *more)

    return composed


def sent(result: Any) -> list[int]:
    """Bytes of the messages that brought networks, in order."""
    return [e.bytes_down for e in result.ledger.entries if e.what == "prepare"][2:]


def bytes_of(plan: Plan, model: Model, states: Mapping[str, Mapping[str, Tensor]]) -> int:
    """The bytes of a message with these networks."""
    question = messages.pack_prepare(plan.to_json(), plan.digest, model.backbone_name)
    return messages.count_bytes(RecordDict({**question, messages.FROZEN: pack_backbone(states)}))


def test_a_site_fetches_only_the_network_that_it_lacks(federate: Callable[..., Any], plan_with: PlanOf) -> None:
    one, two = plan_with(FIRST), plan_with(FIRST, SECOND)
    first = federate(one, out="one")
    model = build(one, None)
    assert sent(first) == [bytes_of(one, model, model.backbone_states())] * 2
    second, both = federate(two, out="two"), build(two, None)
    held, lacking = both.backbone_states().items()
    assert held[0] == model.backbone_name
    assert sent(second) == [bytes_of(two, both, dict([lacking]))] * 2
    assert sent(federate(two, out="again")) == []


def test_a_damaged_file_is_fetched_again(federate: Callable[..., Any], plan_with: PlanOf, cache: Path) -> None:
    plan = plan_with(FIRST, SECOND)
    whole = federate(plan, out="one")
    model = build(plan, None)
    _, (digest, state) = model.backbone_states().items()
    (file,) = cache.rglob(f"backbones/{digest}.safetensors")
    for content in (file.read_bytes()[:-1], b"", tensors_of_others(file)):
        file.write_bytes(content)
        again = federate(plan, out=f"again-{len(content)}")
        assert sent(again) == [bytes_of(plan, model, {digest: state})] * 2
        assert tensors.digest(tensors.load(file)) == digest
        assert all(torch.equal(again.outcome.shared[name], t) for name, t in whole.outcome.shared.items())


def tensors_of_others(file: Path) -> bytes:
    """A whole file of safetensors that holds other numbers."""
    held = tensors.load(file)
    other = file.with_name("other.safetensors")
    tensors.save(other, {name: tensor + 1 for name, tensor in held.items()})
    content = other.read_bytes()
    other.unlink()
    return content


def test_the_same_network_at_two_sizes_is_sent_once(
    federate: Callable[..., Any], plan_with: PlanOf, tmp_path: Path
) -> None:
    torch.manual_seed(4321)
    weights = tmp_path / "weights.safetensors"
    tensors.save(weights, timm.create_model("test_resnet").state_dict())
    sizes = [f"{{name: test_resnet, size: {size}, weights: {weights}}}" for size in (64, 96)]
    plan = plan_with(*sizes, more=("backbone.pretrained=true",))
    model = build(plan, None)
    first, second = model.backbone_name.split("+")
    assert first == second and len(model.backbone_states()) == 1
    result = federate(plan, out="sizes")
    assert sent(result) == [bytes_of(plan, model, model.backbone_states())] * 2
    assert result.outcome.shared["head.weight"].shape == (2, 2 * 2 * (32 + 48 + 192 + 96))


def test_they_give_the_weights_of_training_on_images(federate: Callable[..., Any], plan_with: PlanOf) -> None:
    plans = [plan_with(FIRST, SECOND, more=(f"engine.keep={keep}", "rounds=2")) for keep in ("true", "false")]
    kept, whole = (federate(plan, out=str(plan.engine.keep)).outcome.shared for plan in plans)
    for name, tensor in whole.items():
        assert torch.allclose(kept[name], tensor, rtol=1e-4, atol=1e-4 * tensor.abs().max().item()), name
