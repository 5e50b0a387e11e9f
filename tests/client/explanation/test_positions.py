"""The map over an image: it lies where the answer comes from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.explanation.positions import rests_on
from fedgraft.common.errors import DataError
from fedgraft.common.models.build import build
from fedgraft.common.models.network import Network
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]


class Small(nn.Module):
    """A convolution; its features are the means of its channels over all of the map, or the top left quarter."""

    def __init__(self, quarter: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.maps = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
        self.quarter = quarter

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.maps(images)
        return (maps[:, :, :8, :8] if self.quarter else maps).mean(dim=(2, 3))


def network_of(backbone: nn.Module, width: int) -> Network:
    torch.manual_seed(1)
    return Network(backbone, nn.ModuleDict(), nn.Linear(width, 2), frozenset()).requires_grad_(False)


def second(outputs: Tensor) -> Tensor:
    return outputs[:, 1]


def image(size: int = 16) -> Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(2))


def test_where_positions_are_averaged_it_is_grad_cam() -> None:
    """Grad-CAM by hand: the gradient of a mean is the head's weight, divided by the number of positions."""
    network = network_of(Small(quarter=False), 4)
    found, stages = rests_on(network, image(), second)
    maps = network.backbone.maps(image())[0]  # type: ignore[operator]
    expected = (network.head.weight[1][:, None, None] * maps / 256).sum(dim=0)  # type: ignore[index]
    assert found == pytest.approx(expected, abs=1e-6)
    assert float(found.sum() + network.head.bias[1]) == pytest.approx(  # type: ignore[index]
        float(network(image())[0, 1]), abs=1e-5
    )
    assert stages == ("maps (16 x 16 places)",)


def test_an_answer_that_depends_on_one_quarter_rests_on_that_quarter() -> None:
    found, _ = rests_on(network_of(Small(quarter=True), 4), image(), second)
    assert bool((found[:8, :8] != 0).all())
    assert not bool(found[8:].any()) and not bool(found[:, 8:].any())


def test_features_of_every_depth_of_one_quarter(compose_plan: Composer) -> None:
    """The head sees only the means of the top left quarter of two stages; upsampling reaches half a place further."""
    options = ("features.stages=[stem, blocks.0]", "features.statistics=[quadrants]", "head.normalise=false")
    model = build(compose_plan("features=taps", *options, "data.image_size=64"), None)
    network = model.network
    with torch.no_grad():
        kept = _top_left(model.groups)
        network.head.weight[1] = torch.rand(len(kept)) * kept  # type: ignore[index]
    found, stages = rests_on(network, image(64), second)
    assert len(stages) == 2
    assert float(found[:32, :32].abs().sum()) > 0.9 * float(found.abs().sum()) > 0
    assert float(found[48:].abs().sum()) == float(found[:, 48:].abs().sum()) == 0


def _top_left(groups: tuple[object, ...]) -> Tensor:
    """Which features are those of the top left quarter: the first of each four of a channel."""
    widths = [int(getattr(group, "width", 0)) for group in groups]
    return torch.cat([torch.arange(width) % 4 == 0 for width in widths]).float()


def test_a_transformer_that_reads_its_class_token_is_seen_where_patches_still_matter(compose_plan: Composer) -> None:
    plan = compose_plan("backbone.name=test_vit", "data.image_size=160", "adaptation=lora")
    network = build(plan, None).network
    with torch.no_grad():
        nn.init.normal_(network.head.weight)  # type: ignore[arg-type]
    found, (stage,) = rests_on(network, image(160), second)
    assert found.shape == (160, 160) and bool(found.any())
    assert stage.startswith("blocks.") and "10 x 10 places" in stage


def test_several_networks_have_a_map_each(compose_plan: Composer) -> None:
    networks = "[{name: test_efficientnet, size: 64, pretrained: false}, {name: test_vit, size: 64, pretrained: false}]"
    plan = compose_plan(f"features.networks={networks}", "data.image_size=null", "backbone.pretrained=true")
    network = build(plan, None).network
    with torch.no_grad():
        nn.init.normal_(network.head.weight)  # type: ignore[arg-type]
    found, stages = rests_on(network, image(64), second)
    assert found.shape == (64, 64) and len(stages) == 2


def test_a_network_without_positions_is_refused() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
    with pytest.raises(DataError, match="--explain: no stage of this network has positions on which its answer"):
        rests_on(network_of(flat, 4), image(), second)
