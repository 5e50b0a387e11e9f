"""Tabular encoders: what they compute, their stages, and that they are backbones like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rtdl_revisiting_models as rtdl
import torch
from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.kinds.table_backbone import Columns, Identity
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
TABLE = (
    "+table={numeric: [age, bp], categorical: [sex, pain], missing: [], indicate_missing: false, statistics: plan, "
    "min_count: 1, means: {age: 50.0, bp: 120.0}, deviations: {age: 10.0, bp: 20.0}, "
    "vocabulary: {sex: [f, m], pain: [a, b, c]}}",
    "data.image_size=null",
)
NETWORKS = ("mlp", "resnet_table", "ft_transformer")
DROPOUT = {
    "mlp": ["backbone.dropout=0"],
    "resnet_table": ["backbone.dropout1=0", "backbone.batch_norm=eval"],
    "ft_transformer": ["backbone.attention_dropout=0", "backbone.ffn_dropout=0"],
}


@pytest.fixture
def model_of(plan_of: PlanOf) -> Callable[..., Model]:
    return lambda *overrides: build(plan_of(*TABLE, *overrides), None)


def cases(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.stack([torch.randint(n, (count,), generator=generator) for n in (3, 4)], dim=1)
    return torch.cat([torch.randn(count, 2, generator=generator), codes.float()], dim=1)


def test_identity_by_hand() -> None:
    network = Identity(TableSpec(2, (3, 2)))
    inputs = torch.tensor([[0.5, -1.0, 0.0, 1.0], [2.0, 3.0, 2.0, 0.0]])
    assert network(inputs).tolist() == [[0.5, -1.0, 1, 0, 0, 0, 1], [2.0, 3.0, 0, 0, 1, 1, 0]]
    assert dict(network.state_dict()) == {}


def test_a_code_beyond_the_vocabulary_is_the_nearest() -> None:
    _, codes = Columns(TableSpec(1, (3, 2)))(torch.tensor([[0.0, 9.0, -4.0], [0.0, 1.4, 0.6]]))
    assert codes.tolist() == [[2, 0], [1, 1]]


def test_identity_with_a_linear_head_is_a_logistic_model(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=identity")
    assert (model.name, model.width, model.stages) == ("table/identity", 2 + 3 + 4, ())
    assert model.names("shared") == ("head.bias", "head.weight")
    assert model.constant.what == FEATURES
    inputs = cases(5)
    weight, bias = torch.randn(2, 9), torch.randn(2)
    model.load({"head.weight": weight, "head.bias": bias})
    assert torch.allclose(model.network(inputs), model.constant.compute(inputs) @ weight.T + bias, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("mlp", ["stem", "blocks.1"]),
        ("resnet_table", ["stem", "blocks.0", "blocks.1"]),
        ("ft_transformer", ["stem", "backbone.blocks.0", "backbone.blocks.1"]),
    ],
)
def test_stages(model_of: Callable[..., Model], name: str, stages: list[str]) -> None:
    model = model_of(f"backbone={name}")
    assert [stage.name for stage in model.stages] == stages
    staged = [tensor for stage in model.stages for tensor in stage.tensors]
    assert sorted(staged) == sorted(model.backbone_state())


def test_the_mlp_is_that_of_the_package(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=mlp")
    reference = rtdl.MLP(d_in=9, d_out=None, n_blocks=2, d_block=32, dropout=0.1).eval()
    reference.load_state_dict(model.backbone_state())
    inputs = cases(6)
    assert torch.equal(model.network.backbone(inputs), reference(Identity(TableSpec(2, (3, 4)))(inputs)))


def test_the_transformer_is_that_of_the_package(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=ft_transformer")
    reference = rtdl.FTTransformer(
        n_cont_features=2,
        cat_cardinalities=[3, 4],
        d_out=None,
        n_blocks=2,
        d_block=32,
        attention_n_heads=4,
        attention_dropout=0.1,
        ffn_d_hidden=None,
        ffn_d_hidden_multiplier=1.33,
        ffn_dropout=0.1,
        residual_dropout=0.0,
    ).eval()
    reference.load_state_dict(model.backbone_state())
    inputs = cases(6)
    assert torch.equal(model.network.backbone(inputs), reference(inputs[:, :2], inputs[:, 2:].long()))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("columns", ["categorical", "numeric"])
def test_a_table_of_one_kind_of_column(plan_of: PlanOf, name: str, columns: str) -> None:
    whole, *rest = TABLE
    emptied = {
        "categorical": whole.replace("[sex, pain]", "[]").replace("{sex: [f, m], pain: [a, b, c]}", "{}"),
        "numeric": whole.replace("[age, bp]", "[]")
        .replace("{age: 50.0, bp: 120.0}", "{}")
        .replace("{age: 10.0, bp: 20.0}", "{}"),
    }[columns]
    model = build(plan_of(emptied, *rest, f"backbone={name}"), None)
    assert model.network(torch.zeros(3, 2)).shape == (3, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_alone_decides_the_first_weights(model_of: Callable[..., Model], name: str) -> None:
    first, again, other = (model_of(f"backbone={name}", f"seed={seed}").backbone_state() for seed in (1, 1, 2))
    assert tensors.digest(first) == tensors.digest(again) != tensors.digest(other)


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_is_on_while_training_and_off_otherwise(model_of: Callable[..., Model], name: str) -> None:
    network, inputs = model_of(f"backbone={name}", "backbone.batch_norm=eval").network, cases(64)
    assert torch.equal(network.backbone(inputs), network.backbone(inputs))
    network.train()
    assert not torch.equal(network.backbone(inputs), network.backbone(inputs))
    network.eval()
    assert torch.equal(network.backbone(inputs), network.backbone(inputs))


def test_dropout_of_a_frozen_stage_stays_off(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=mlp", "backbone.freeze=stem")
    assert model.network.training_modules == {"blocks.1.dropout"}
    assert model.constant.what == "inputs"  # 32 numbers of the stem's output, for 4 of the case


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("freeze", ["all", "none", "stem"])
def test_what_is_kept_gives_what_the_whole_network_gives(
    model_of: Callable[..., Model], name: str, freeze: str
) -> None:
    fixed = DROPOUT[name] if freeze == "all" else []
    model = model_of(f"backbone={name}", f"backbone.freeze={freeze}", *fixed)
    inputs = cases(7)
    kept = model.constant.compute(inputs)
    assert kept.shape == (7, *model.constant.shape)
    with torch.no_grad():
        assert torch.allclose(model.constant.trained(kept), model.network(inputs), atol=1e-5)


def test_a_small_stem_is_cut(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=resnet_table", "backbone.freeze=stem", "backbone.d_block=6")
    assert (model.constant.what, model.constant.shape) == ("stage stem", (6,))


def test_fedbn_keeps_the_batch_norms_of_a_resnet_at_the_site(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=resnet_table", "adaptation=fedbn", "backbone.batch_norm=eval")
    local = [name for name in model.names("local") if name.endswith("running_mean")]
    assert local == [f"backbone.blocks.{block}.normalization.running_mean" for block in (0, 1)]
    model.network.train()
    model.network(cases(8))
    assert model.network.backbone.get_submodule("blocks.0.normalization").num_batches_tracked == 1


def test_silent_no_ops_are_errors(model_of: Callable[..., Model]) -> None:
    with pytest.raises(PlanError, match="adaptation: local batch norm has no effect"):
        model_of("backbone=mlp", "adaptation=fedbn")
    with pytest.raises(PlanError, match="adaptation=ssf has no effect: the backbone has no stage"):
        model_of("backbone=identity", "adaptation=ssf")
    with pytest.raises(PlanError, match=r"backbone.batch_norm=train has no effect: no trained stage has a batch norm"):
        model_of("backbone=mlp", "backbone.batch_norm=train")
    with pytest.raises(PlanError, match=r"backbone.freeze=blocks.9 is not a stage; choose all, none or one of: stem"):
        model_of("backbone=mlp", "backbone.freeze=blocks.9")


def test_ssf_follows_the_stages_of_an_mlp(model_of: Callable[..., Model]) -> None:
    model = model_of("backbone=mlp", "backbone.freeze=all", "backbone.dropout=0", "adaptation=ssf")
    assert model.network.adapters["stem"].scale.shape == (32,)


def test_what_the_package_refuses_is_a_plan_s_error(model_of: Callable[..., Model]) -> None:
    with pytest.raises(PlanError, match=r"backbone.name=table/mlp could not be built: n_blocks must be positive"):
        model_of("backbone=mlp", "backbone.n_blocks=0")
    with pytest.raises(PlanError, match=r"backbone.name=table/ft_transformer could not be built: d_embedding must be"):
        model_of("backbone=ft_transformer", "backbone.d_block=30")


def test_weights_are_loaded_or_refused(plan_of: PlanOf, model_of: Callable[..., Model], tmp_path: Path) -> None:
    file = tmp_path / "mlp.safetensors"
    given = {name: torch.full_like(tensor, 0.25) for name, tensor in model_of("backbone=mlp").backbone_state().items()}
    tensors.save(file, given)
    named = ("backbone=mlp", "backbone.pretrained=true", f"backbone.weights={file}")
    assert tensors.digest(model_of(*named).backbone_state()) == tensors.digest(given)
    with pytest.raises(BackboneError, match=r"mlp.safetensors does not fit table/mlp: size mismatch"):
        model_of(*named, "backbone.d_block=16")
    with pytest.raises(BackboneError, match=r"mlp.safetensors does not fit table/mlp"):
        model_of(*named, "backbone.n_blocks=3")
    with pytest.raises(BackboneError, match=r"backbone.weights=wheel: a tabular encoder's weights are a .safetensors"):
        model_of("backbone=mlp", "backbone.pretrained=true", "backbone.weights=wheel")
    with pytest.raises(BackboneError, match=r"no.safetensors does not exist"):
        model_of("backbone=mlp", "backbone.pretrained=true", "backbone.weights=no.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 20)
    with pytest.raises(BackboneError, match="is not a readable safetensors file"):
        model_of("backbone=mlp", "backbone.pretrained=true", f"backbone.weights={tmp_path / 'bad.safetensors'}")
