"""``fedgraft backbone``: a run's backbone as a file, which another plan starts from and distributes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from fedgraft.common import tensors
from fedgraft.common.cli import main as fedgraft
from fedgraft.common.errors import BackboneError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.server.weights.export import export_backbone

PlanOf = Callable[..., Plan]
STATISTICS = (
    "table.statistics=plan",
    "table.min_count=1",
    "+table.means={age: 50.0, pressure: 120.0}",
    "+table.deviations={age: 10.0, pressure: 20.0}",
    "+table.vocabulary={sex: [f, m]}",
)


def finished_run(folder: Path, plan: Plan, value: float = 0.5) -> Path:
    """What a run leaves: its plan and its final frozen and shared tensors."""
    folder.mkdir()
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()), encoding="utf-8")
    model = build(plan, None)
    kept = model.tensors((*model.names("frozen"), *model.received))
    tensors.save(folder / "model" / "model.safetensors", {name: torch.full_like(t, value) for name, t in kept.items()})
    return folder


@pytest.mark.parametrize("name", ["mlp", "resnet_table", "ft_transformer"])
def test_what_was_trained_is_what_another_plan_starts_from(table_plan: PlanOf, tmp_path: Path, name: str) -> None:
    run = finished_run(tmp_path / "run", table_plan(f"backbone={name}", *STATISTICS))
    file = tmp_path / "weights.safetensors"
    assert fedgraft(["backbone", "export", str(run), str(file)]) == 0
    named = (f"backbone={name}", "backbone.pretrained=true", f"backbone.weights={file}")
    other = build(table_plan(*named, *STATISTICS, "seed=5"), None)
    state = other.backbone_state()
    assert all(bool((tensor == 0.5).all()) for key, tensor in state.items() if tensor.is_floating_point())


def test_an_image_backbone_is_exported_too(compose_plan: PlanOf, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", compose_plan())
    export_backbone(run, tmp_path / "b.safetensors")
    plan = compose_plan("backbone.pretrained=true", f"backbone.weights={tmp_path / 'b.safetensors'}")
    assert float(next(iter(build(plan, None).backbone_state().values())).flatten()[0]) == 0.5


@pytest.mark.parametrize("keep", ["true", "false"])
def test_of_several_networks_there_is_nothing_to_export(compose_plan: PlanOf, tmp_path: Path, keep: str) -> None:
    networks = "features.networks=[{name: test_efficientnet, size: 32, pretrained: false}]"
    plan = compose_plan(networks, "data.image_size=null", f"engine.keep={keep}")
    words = "the run has several frozen networks .* and a backbone's file holds one; they are as they came"
    with pytest.raises(BackboneError, match=words):
        export_backbone(finished_run(tmp_path / "run", plan), tmp_path / "b.safetensors")


def test_a_backbone_is_exported_whatever_scales_its_features(compose_plan: PlanOf, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", compose_plan("features=taps", "backbone.freeze=blocks.2"))
    export_backbone(run, tmp_path / "b.safetensors")
    assert not any(name.startswith("scale") for name in tensors.load(tmp_path / "b.safetensors"))


def test_weights_are_for_the_table_that_they_were_trained_on(table_plan: PlanOf, tmp_path: Path) -> None:
    run, file = finished_run(tmp_path / "run", table_plan("backbone=mlp", *STATISTICS)), tmp_path / "w.safetensors"
    export_backbone(run, file)
    named = ("backbone=mlp", "backbone.pretrained=true", f"backbone.weights={file}", *STATISTICS)
    swapped = table_plan(*named, "table.numeric=[pressure,age]")
    with pytest.raises(BackboneError, match=r"was trained on a table with other table.numeric; take the table section"):
        build(swapped, None)
    with pytest.raises(BackboneError, match=r"other table.vocabulary; .*`fedgraft backbone show`"):
        build(table_plan(*named, "table.vocabulary.sex=[m,f]"), None)
    build(table_plan(*named, "table.means.age=51.0"), None)  # other hospitals may scale by their own means


def test_show_prints_the_table_of_a_file(
    table_plan: PlanOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, file = table_plan("backbone=mlp", *STATISTICS), tmp_path / "w.safetensors"
    export_backbone(finished_run(tmp_path / "run", plan), file)
    assert fedgraft(["backbone", "show", str(file)]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["table"] == plan.to_dict()["table"]
    assert printed["backbone"] == {"name": "table/mlp", "weights": str(file)}


def test_errors(table_plan: PlanOf, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "identity", table_plan(*STATISTICS))
    with pytest.raises(BackboneError, match="table/identity has no weights to export"):
        export_backbone(run, tmp_path / "w.safetensors")
    with pytest.raises(BackboneError, match=r"w.pt must end in .safetensors"):
        export_backbone(run, tmp_path / "w.pt")
    (run / "model" / "model.safetensors").unlink()
    with pytest.raises(
        BackboneError, match=r"holds no model/model.safetensors; name the folder of a run that has ended"
    ):
        export_backbone(run, tmp_path / "w.safetensors")
    tensors.save(tmp_path / "plain.safetensors", {"a": torch.zeros(1)})
    assert fedgraft(["backbone", "show", str(tmp_path / "plain.safetensors")]) == 2
    assert fedgraft(["backbone", "show", str(tmp_path / "none.safetensors")]) == 2


def test_weights_that_stayed_at_the_sites_are_named(table_plan: PlanOf, tmp_path: Path) -> None:
    plan = table_plan("backbone=resnet_table", "backbone.batch_norm=eval", "adaptation=fedbn", *STATISTICS)
    with pytest.raises(BackboneError, match=r"8 tensor\(s\) of the backbone stayed at the sites \(first: blocks.0"):
        export_backbone(finished_run(tmp_path / "run", plan), tmp_path / "w.safetensors")


def test_layers_trained_beside_a_backbone_are_not_dropped_in_silence(table_plan: PlanOf, tmp_path: Path) -> None:
    plan = table_plan("backbone=mlp", "backbone.freeze=all", "backbone.dropout=0", "adaptation=ssf", *STATISTICS)
    with pytest.raises(BackboneError, match=r"trained adaptation layers, which a backbone's file does not hold"):
        export_backbone(finished_run(tmp_path / "run", plan), tmp_path / "w.safetensors")
