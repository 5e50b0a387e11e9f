"""Local batch norm: what it claims, and that it acts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
from torch import Tensor, nn

from fedgraft.common.adaptation.batch_norm import LocalBatchNorm, batch_norms
from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
SPEC = ImageSpec(channels=3, size=64, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


class Tiny(nn.Module):
    """A convolution, a batch norm with statistics, one without."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)
        self.loose = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.loose(self.bn(self.conv(x))).mean((2, 3))


def test_fedbn_claims_everything_of_every_batch_norm() -> None:
    adapted = LocalBatchNorm("local")(Tiny(), (), SPEC)
    assert adapted.claims == {
        "bn.weight": "local",
        "bn.bias": "local",
        "bn.running_mean": "local",
        "bn.running_var": "local",
        "bn.num_batches_tracked": "local",
    }
    assert adapted.training_modules == {"bn"}
    assert len(adapted.layers) == 0


def test_silobn_shares_the_affine_parameters_only() -> None:
    claims = LocalBatchNorm("shared")(Tiny(), (), SPEC).claims
    assert {name for name, role in claims.items() if role == "shared"} == {"bn.weight", "bn.bias"}
    assert {name for name, role in claims.items() if role == "local"} == {
        "bn.running_mean",
        "bn.running_var",
        "bn.num_batches_tracked",
    }


@pytest.mark.parametrize("affine", ["frozen", "global", ""])
def test_another_role_for_affine_parameters_is_refused(affine: str) -> None:
    with pytest.raises(PlanError, match=rf"adaptation\.affine={affine} must be local \(FedBN\) or shared \(SiloBN\)"):
        LocalBatchNorm(affine)  # type: ignore[arg-type]


@pytest.mark.parametrize("adaptation", ["fedbn", "silobn"])
def test_local_batch_norm_without_batch_norm_is_an_error(small: PlanOf, adaptation: str) -> None:
    with pytest.raises(PlanError, match=r"adaptation: local batch norm has no effect.*use adaptation=ssf"):
        build(small("test_vit", f"adaptation={adaptation}"), None)


def test_only_batch_norms_with_statistics_are_found() -> None:
    assert set(batch_norms(Tiny())) == {"bn"}
    assert len(batch_norms(timm.create_model("resnet18", num_classes=0))) == 20


def test_from_a_stage_on_only_its_own_batch_norms_are_local(small: PlanOf) -> None:
    model = build(small("test_efficientnet", "adaptation=fedbn", "adaptation.stages=blocks.3"), None)
    local = model.names("local")
    assert local and all(
        name.startswith(("backbone.blocks.3.", "backbone.blocks.4.", "backbone.bn2.")) for name in local
    )
    assert model.network.training_modules == {
        path for path in batch_norms(model.network.backbone) if path.startswith(("blocks.3.", "blocks.4.", "bn2"))
    }
    assert model.constant.what == "stage blocks.2"


def test_stages_without_batch_norm_are_an_error() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), nn.Conv2d(4, 4, 1))
    stages = find_stages(network)
    with pytest.raises(PlanError, match=r"stage 1 and those behind it have no batch norm; use adaptation\.stages=all"):
        LocalBatchNorm("local", stages="1")(network, stages, SPEC)


@pytest.mark.parametrize("adaptation", ["lora", "residual", "ssf"])
@pytest.mark.parametrize(("batch_norm", "affine"), [("fedbn", "local"), ("silobn", "shared")])
def test_layers_and_local_batch_norm_in_one(small: PlanOf, adaptation: str, batch_norm: str, affine: str) -> None:
    more = (f"adaptation.batch_norm={batch_norm}", "adaptation.stages=blocks.3")
    model = build(small("test_efficientnet", f"adaptation={adaptation}", *more), None)
    assert {model.roles[name] for name in model.roles if name.startswith("adapters.")} == {"shared"}
    assert model.roles["backbone.blocks.3.0.bn1.running_mean"] == "local"
    assert model.roles["backbone.blocks.3.0.bn1.weight"] == affine
    assert model.roles["backbone.blocks.2.0.bn1.running_mean"] == "frozen"
    assert "blocks.3.0.bn1" in model.network.training_modules
    assert model.constant.what == "stage blocks.2"


@pytest.mark.parametrize("adaptation", ["lora", "ssf"])
def test_layers_and_local_batch_norm_need_batch_norm(small: PlanOf, adaptation: str) -> None:
    with pytest.raises(PlanError, match="local batch norm has no effect, the backbone has no batch norm"):
        build(small("test_vit", f"adaptation={adaptation}", "adaptation.batch_norm=fedbn"), None)


def test_a_single_case_gives_no_statistics(small: PlanOf) -> None:
    with pytest.raises(PlanError, match="batch_size=1 gives batch norm no statistics"):
        build(small("test_efficientnet", "adaptation=lora", "adaptation.batch_norm=silobn", "train.batch_size=1"), None)
