"""FedGraft from Python: ``import fedgraft as fg`` (docs/python.md).

Importing it loads nothing else: a name is fetched when it is first asked for. The floors are links beside this file.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedgraft.client.prediction.trained_model import TrainedModel, load_model
    from fedgraft.common.errors import BackboneError, DataError, FedGraftError, ModelError, PlanError, RoundError
    from fedgraft.simulations.api import plan, simulate, study
    from fedgraft.simulations.engine.result import Run
    from fedgraft.simulations.planning.choices import choices
    from fedgraft.simulations.planning.description import Description
    from fedgraft.simulations.planning.frame import FrameSource as Source
    from fedgraft.simulations.planning.planned import Planned
    from fedgraft.simulations.study.comparison import Comparison

    __version__: str

_PLACES = {
    "BackboneError": "fedgraft.common.errors",
    "Comparison": "fedgraft.simulations.study.comparison",
    "DataError": "fedgraft.common.errors",
    "Description": "fedgraft.simulations.planning.description",
    "FedGraftError": "fedgraft.common.errors",
    "ModelError": "fedgraft.common.errors",
    "PlanError": "fedgraft.common.errors",
    "Planned": "fedgraft.simulations.planning.planned",
    "RoundError": "fedgraft.common.errors",
    "Run": "fedgraft.simulations.engine.result",
    "Source": "fedgraft.simulations.planning.frame:FrameSource",
    "TrainedModel": "fedgraft.client.prediction.trained_model",
    "choices": "fedgraft.simulations.planning.choices",
    "load_model": "fedgraft.client.prediction.trained_model",
    "plan": "fedgraft.simulations.api",
    "simulate": "fedgraft.simulations.api",
    "study": "fedgraft.simulations.api",
}
__all__ = [
    "BackboneError",
    "Comparison",
    "DataError",
    "Description",
    "FedGraftError",
    "ModelError",
    "PlanError",
    "Planned",
    "RoundError",
    "Run",
    "Source",
    "TrainedModel",
    "__version__",
    "choices",
    "load_model",
    "plan",
    "simulate",
    "study",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("fedgraft")
    if name not in _PLACES:
        raise AttributeError(f"module 'fedgraft' has no attribute {name!r}; it offers {', '.join(__all__)}")
    from fedgraft.common.posix import require_posix
    from fedgraft.common.runtime.flower import QUIET

    require_posix()
    for variable, value in QUIET.items():  # before Flower is imported: it reports nothing unless somebody says so
        os.environ.setdefault(variable, value)
    place, _, within = _PLACES[name].partition(":")
    found: object = getattr(importlib.import_module(place), within or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
