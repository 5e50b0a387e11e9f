"""Write and open a model folder. The same run gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import ModelError
from fedgraft.common.model_folder.about import About, about_of, read_about
from fedgraft.common.model_folder.card import card
from fedgraft.common.model_folder.digests import DIGESTS, SIGNATURE, verify, write_digests
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan, load_plan

FOLDER = "model"
"""The name of the folder in that of a run."""
TENSORS, PLAN, ABOUT, CARD = "model.safetensors", "plan.yaml", "about.json", "README.md"
CALIBRATION, DECISIONS, FAMILIARITY = "calibration.json", "decisions.json", "familiarity.json"
ALWAYS, SOMETIMES = (TENSORS, PLAN, ABOUT, CARD), (CALIBRATION, DECISIONS, FAMILIARITY)
_STUDY = "study.json"


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose files were all verified.

    Attributes:
        plan: without the data set of a simulation.
        calibration, decisions, familiarity: the text of these files; ``None`` if there is none.
    """

    path: Path
    about: About
    plan: Plan
    calibration: str | None
    decisions: str | None
    familiarity: str | None

    def tensors(self) -> dict[str, Tensor]:
        """The frozen, shared and given tensors of the final model, by name."""
        return tensors.load(self.path / TENSORS)


def write_model(
    folder: Path, plan: Plan, model: Model, more: Mapping[str, str] = MappingProxyType({}), above: str = ""
) -> None:
    """Write a model folder, in place of an earlier one.

    Args:
        plan: the plan that was run.
        model: holds the final tensors.
        more: the texts of those of ``calibration.json``, ``decisions.json`` and ``familiarity.json`` that there are,
            and of ``README.md``, if it is not to be the usual one.
        above: text that stands above the usual ``README.md``: a model card with its metadata block.
    """
    remove_model(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOMETIMES:  # of a write that was cut off
        (folder / name).unlink(missing_ok=True)
    about = about_of(plan, model)
    metadata = {"plan_digest": plan.digest, "classes": json.dumps(plan.data.classes)}
    tensors.save(folder / TENSORS, model.tensors((*model.names("frozen"), *model.received)), metadata)
    texts = {
        PLAN: plan.for_hospitals().to_yaml(),
        ABOUT: about.to_json(),
        CARD: f"{above}\n{card(about, model.facts.a)}" if above else card(about, model.facts.a),
        **more,
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    write_digests(folder, (TENSORS, *texts))


def remove_model(folder: Path) -> None:
    """Delete the files of a model folder, and the folder if it holds nothing else; another folder stays as it is."""
    if not (folder / DIGESTS).is_file():
        return
    for name in (DIGESTS, SIGNATURE, *ALWAYS, *SOMETIMES):  # the digests first: what is left is no model
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def open_model(path: Path) -> ModelFolder:
    """Open a model folder and verify every file in it.

    Args:
        path: the folder, or that of a run, which holds it.

    Raises:
        ModelError: there is none, or it is not as it was written; the message names the file.
        PlanError: its plan is not valid.
    """
    folder = _found(path)
    names = verify(folder, ALWAYS)
    about = read_about(_text(folder / ABOUT))
    known = {name: _text(folder / name) for name in SOMETIMES if name in names}
    return ModelFolder(folder, about, load_plan(folder / PLAN), *(known.get(name) for name in SOMETIMES))


def _found(path: Path) -> Path:
    for folder in (path, path / FOLDER):
        if (folder / DIGESTS).is_file():
            return folder
    if (path / _STUDY).is_file():
        raise ModelError(f"{path} is the folder of a study; name one of its runs/, or that run's {FOLDER}/")
    there = f"holds no model (no {DIGESTS}, no {FOLDER}/{DIGESTS})" if path.is_dir() else "is no folder"
    raise ModelError(f"{path} {there}; name a model's folder, or that of a run that has ended")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{path} is not UTF-8 text") from None
