"""All evidence of a run, gathered once at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.model_folder.folder import CALIBRATION
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.calibration import calibrated
from fedgraft.server.evidence.calibration_figures import calibration_figures
from fedgraft.server.rounds.state import RunOutcome


@dataclass(frozen=True)
class Evidence:
    """What is written beside a model.

    Attributes:
        calibration: goes with the model, which itself stays as it was trained.
        figures: keys of ``summary.json``.
        warnings: sentences for whoever reads the summary.
    """

    calibration: Calibration
    figures: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """What is added to ``summary.json``."""
        return {**self.figures, "warnings": list(self.warnings)}

    @property
    def beside_model(self) -> dict[str, str]:
        """The texts of further files of the model's folder, by name."""
        fitted = self.calibration.method != "none"
        return {CALIBRATION: self.calibration.to_json()} if fitted else {}


def gather(plan: Plan, outcome: RunOutcome) -> Evidence:
    """The evidence of a run's final model."""
    found = calibrated(plan, outcome)
    return Evidence(found.calibration, {"calibration": calibration_figures(plan, outcome, found)}, found.warnings)
