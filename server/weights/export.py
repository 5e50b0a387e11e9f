"""``fedgraft backbone``: write the backbone that a run trained to a file for another plan's ``backbone.weights``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError
from fedgraft.common.interfaces.roles import BACKBONE
from fedgraft.common.kinds.backbone_file import TABLE, save_backbone
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.model_folder.folder import FOLDER, TENSORS
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.processes import say
from fedgraft.common.tensors import about

EPILOG = """\
pretrain on one table, and graft onto it elsewhere:
  fedgraft simulate data=... backbone=mlp hydra.run.dir=runs/public
  fedgraft backbone export runs/public mlp.safetensors
  fedgraft simulate data=... backbone=mlp backbone.pretrained=true backbone.weights=mlp.safetensors \\
      backbone.freeze=all backbone.dropout=0
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="fedgraft backbone",
        description="A trained backbone as a file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    export = commands.add_parser("export", help="write the backbone of a run's model to a .safetensors file")
    export.add_argument("run", type=Path, metavar="RUN", help="the run's folder: plan.yaml and model/")
    export.add_argument("file", type=Path, metavar="FILE", help="to be named in backbone.weights")
    show = commands.add_parser("show", help="what such a file was trained on, as YAML for a plan")
    show.add_argument("file", type=Path, metavar="FILE")
    given = parser.parse_args(argv)
    if given.command == "show":
        say(described(given.file))
        return 0
    export_backbone(given.run, given.file)
    say(f"{given.file}: set backbone.pretrained=true backbone.weights={given.file}")
    return 0


def export_backbone(run: Path, file: Path) -> None:
    """Write the backbone of a run's final model.

    Raises:
        PlanError: the folder holds no plan.
        BackboneError: it holds no model, ``file`` is no ``.safetensors``, or some of the weights stayed at the sites.
    """
    if file.suffix != ".safetensors":
        raise BackboneError(f"{file} must end in .safetensors")
    plan = load_plan(run / "plan.yaml")
    file_of_run = run / FOLDER / TENSORS
    if not file_of_run.is_file():
        raise BackboneError(f"{run} holds no {FOLDER}/{TENSORS}; name the folder of a run that has ended")
    notes = kind_of(plan, plan.engine.trusted).facts().notes
    save_backbone(file, trained_backbone(plan, tensors.load(file_of_run)), plan, notes)


def trained_backbone(plan: Plan, model: dict[str, Tensor]) -> dict[str, Tensor]:
    """The trained backbone's whole state, as `fedgraft.common.models.model.Model.backbone_state` gives it.

    Args:
        model: the run's ``model.safetensors``: frozen and shared tensors by their names in the model.

    Raises:
        BackboneError: the backbone has no tensors, some of its weights stayed at the sites, or the run trained
            adaptation layers.
    """
    unread = replace(plan, backbone=replace(plan.backbone, pretrained=False))  # its weights are in the model
    built = build(unread, None, plan.engine.trusted)
    if plan.features.networks:
        raise BackboneError(
            "the run has several frozen networks (features.networks), and a backbone's file holds one; they are as "
            "they came, so that there is nothing to export"
        )
    if len(built.network.adapters):
        raise BackboneError(
            "the run trained adaptation layers, which a backbone's file does not hold; a run with adaptation=none "
            "gives a whole backbone"
        )
    start = built.backbone_state()
    held = {name.removeprefix(BACKBONE): tensor for name, tensor in model.items() if name.startswith(BACKBONE)}
    if not start:
        raise BackboneError(f"{plan.backbone.name} has no weights to export")
    absent = sorted(name for name, tensor in start.items() if tensor.is_floating_point() and name not in held)
    if absent:
        raise BackboneError(
            f"{len(absent)} tensor(s) of the backbone stayed at the sites (first: {absent[0]}); a run with "
            "adaptation=none gives a whole backbone"
        )
    return {name: held.get(name, tensor) for name, tensor in start.items()}


def described(file: Path) -> str:
    """The metadata of a backbone's file, as YAML for a plan.

    Raises:
        BackboneError: the file has no metadata of a backbone.
    """
    known = about(file)
    if "backbone" not in known:
        raise BackboneError(f"{file} does not say what it is; `fedgraft backbone export` writes files that do")
    content = {"backbone": {"name": known["backbone"], "weights": str(file)}, "plan_digest": known.get("plan_digest")}
    if TABLE in known:
        content["table"] = json.loads(known[TABLE])
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip()
