"""A training of a study that has ended, on disk: a study that was cut off reads it, and trains only the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.runtime.files import replacing
from fedgraft.common.wire.kept import config_from, values_of
from fedgraft.simulations.study.out_of_fold import RoundScores
from fedgraft.simulations.study.summary import Trained

FILE = "trained.json"
_APART = ("evaluations", "rounds", "scores")
_TUPLES = ("tested", "without_columns", "without_options", "dropped")


def keep_trained(folder: Path, digest: str, trained: Trained) -> None:
    """Write a training's result, but for the scores case by case, which are in the sites' folders.

    Args:
        digest: of the plan that was asked for.
    """
    plain = {one.name: getattr(trained, one.name) for one in fields(trained) if one.name not in _APART}
    rounds = [[one.val, _packed(one.evaluations)] for one in trained.rounds]
    text = json.dumps({"plan": digest, **plain, "evaluations": _packed(trained.evaluations), "rounds": rounds})
    with replacing(folder / FILE) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def kept_trained(folder: Path, digest: str, task: AnyTask) -> Trained | None:
    """The result of a training of this plan that has ended; ``None`` if there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known.pop("plan") != digest:
            return None
        rounds = tuple(RoundScores(val, _unpacked(found, task)) for val, found in known.pop("rounds"))
        evaluations = _unpacked(known.pop("evaluations"), task)
        plain: dict[str, Any] = {name: tuple(v) if name in _TUPLES else v for name, v in known.items()}
        return Trained(**plain, evaluations=evaluations, rounds=rounds)
    except (WireError, KeyError, TypeError, ValueError):
        return None


def _packed(found: Mapping[str, Evaluation]) -> dict[str, Any]:
    return {name: values_of(one.pack()) for name, one in found.items()}


def _unpacked(packed: Mapping[str, Any], task: AnyTask) -> dict[str, Evaluation]:
    return {name: task.unpack(config_from(one)) for name, one in packed.items()}
