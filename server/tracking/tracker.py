"""What is tracked of a run, and the choice of the program."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.tracking.mlflow import MLflow
from fedgraft.server.tracking.tensorboard import TensorBoard

ARTEFACTS = ("model", "report.html", "model-card.md", "summary.json", "plan.yaml", "ledger.jsonl", "rounds.csv")
"""Files and folders of a run's folder that are kept with it, as far as they are there."""
_TITLES = {"mlflow": "MLflow", "tensorboard": "TensorBoard"}


class Tracker(Protocol):
    """A program that keeps the figures of one run."""

    def parameters(self, values: Mapping[str, str]) -> None:
        """Keep what the run was started with."""

    def figures(self, values: Mapping[str, float], round_: int) -> None:
        """Keep the figures after a round."""

    def artefacts(self, files: Mapping[str, Path]) -> None:
        """Keep files and folders, by their names in the run's folder."""

    def close(self, completed: bool) -> None:
        """Write all that was kept; ``completed``: whether the run came to its end."""


class Untracked:
    """The tracker of ``tracking=none``."""

    def parameters(self, values: Mapping[str, str]) -> None:
        pass

    def figures(self, values: Mapping[str, float], round_: int) -> None:
        pass

    def artefacts(self, files: Mapping[str, Path]) -> None:
        pass

    def close(self, completed: bool) -> None:
        pass


UNTRACKED = Untracked()


def require_tracking(plan: Plan) -> None:
    """
    Raises:
        PlanError: the plan's program for tracking is not installed here.
    """
    name = plan.tracking.name
    if name != "none" and importlib.util.find_spec(name) is None:
        raise PlanError(f"tracking={name} needs {_TITLES[name]}: pip install 'fedgraft[{name}]', or use tracking=none")


@contextmanager
def tracked(plan: Plan, out: Path) -> Iterator[Tracker]:
    """Within the block, the tracker of a run that writes into the folder ``out``; when the block ends, it gets the
    files that are there.

    Raises:
        PlanError: the plan's program for tracking is not installed here.
    """
    require_tracking(plan)
    tracker, completed = _opened(plan, out), False
    try:
        tracker.parameters(parameters(plan))
        yield tracker
        tracker.artefacts({name: out / name for name in ARTEFACTS if (out / name).exists()})
        completed = True
    finally:
        tracker.close(completed)


def _opened(plan: Plan, out: Path) -> Tracker:
    if plan.tracking.name == "none":
        return UNTRACKED
    folder = out.resolve() / (plan.tracking.folder or "tracking")
    if plan.tracking.name == "tensorboard":
        return TensorBoard(folder if folder.is_relative_to(out.resolve()) else folder / out.resolve().name)
    return MLflow(folder, out.resolve().name)


def parameters(plan: Plan) -> dict[str, str]:
    """Every option of the plan under its dotted name, and the plan's digest; what is ``None`` or empty is left out."""
    found = {"plan_digest": plan.digest}
    for name, value in _flat(plan.to_dict(), "."):
        if value not in (None, "", [], {}):
            found[name] = value if isinstance(value, str) else json.dumps(value)
    return found


def figures(line: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a line of ``rounds.jsonl`` under a name such as ``test/auroc``, ``sites/north/val/loss``."""
    flat = _flat({name: value for name, value in line.items() if name != "round"}, "/")
    return {
        name: float(value) for name, value in flat if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _flat(values: Mapping[str, Any], between: str, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, between, f"{above}{name}{between}")
        else:
            yield f"{above}{name}", value
