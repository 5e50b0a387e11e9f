"""The plan's section on what else keeps a run's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fedgraft.common.plan.types import STRICT


@dataclass(frozen=True)
class TrackingSection:
    """Which program for tracking experiments gets a run's figures, as they come. Not part of the digest, since the
    result does not depend on it.

    Attributes:
        folder: where it is kept, below the run's folder; an absolute one can be shared by runs. ``None``: ``tracking``.
    """

    __pydantic_config__ = STRICT
    name: Literal["none", "mlflow", "tensorboard"] = "none"
    folder: str | None = None
