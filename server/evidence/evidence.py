"""All evidence of a run, gathered once at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.decisions.decisions import Decisions
from fedgraft.common.familiarity.familiarity import Familiar
from fedgraft.common.model_folder.folder import CALIBRATION, DECISIONS, FAMILIARITY
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.calibration import calibrated
from fedgraft.server.evidence.calibration_figures import calibration_figures
from fedgraft.server.evidence.confounding import confounding_of
from fedgraft.server.evidence.decision_figures import decision_figures
from fedgraft.server.evidence.decisions import decided, validation
from fedgraft.server.evidence.familiarity_figures import familiarity_figures
from fedgraft.server.evidence.grouped import fits, grouped_of, grouped_sentences, told_in_groups
from fedgraft.server.evidence.interval_figures import interval_figures
from fedgraft.server.evidence.site_distances import distance_figures, distance_sentences
from fedgraft.server.evidence.subgroups import subgroup_figures
from fedgraft.server.rounds.state import RunOutcome


@dataclass(frozen=True)
class Evidence:
    """What is written beside a model.

    Attributes:
        calibration: goes with the model, which itself stays as it was trained.
        decisions: go with it too; ``None`` without validation cases.
        familiar: likewise; ``None`` if the plan does not want it, or no site told.
        figures: keys of ``summary.json``.
        warnings: sentences for whoever reads the summary.
    """

    calibration: Calibration
    decisions: Decisions | None
    familiar: Familiar | None
    figures: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """What is added to ``summary.json``."""
        return {**self.figures, "warnings": list(self.warnings)}

    @property
    def beside_model(self) -> dict[str, str]:
        """The texts of further files of the model's folder, by name."""
        texts = {
            CALIBRATION: self.calibration.to_json() if self.calibration.method != "none" else None,
            DECISIONS: None if self.decisions is None else self.decisions.to_json(),
            FAMILIARITY: None if self.familiar is None else self.familiar.to_json(),
        }
        return {name: text for name, text in texts.items() if text is not None}


def gather(plan: Plan, outcome: RunOutcome) -> Evidence:
    """The evidence of a run's final model."""
    grouped, validated = grouped_of(plan, outcome), validation(plan, outcome)
    fitted = fits(grouped, validated)
    found, decisions = calibrated(plan, outcome, fitted), decided(plan, fitted)
    confounded = confounding_of(plan.hold_out, outcome, grouped)
    tests = {name: splits["test"] for name, splits in sorted(outcome.final.by_site.items()) if "test" in splits}
    in_groups = told_in_groups(grouped, validated, tests)
    figures: dict[str, Any] = {
        "calibration": calibration_figures(plan, outcome, found),
        "decisions": decision_figures(plan, outcome, decisions, found.calibration, fitted),
        "familiarity": familiarity_figures(plan, outcome.familiarity),
        "subgroups": subgroup_figures(plan, outcome, decisions, found.calibration, grouped),
        "intervals": interval_figures(outcome, grouped),
        "confounding": None if confounded is None else confounded.plain,
    }
    figures |= {} if in_groups is None else {"scores": in_groups}
    apart = distance_figures(outcome.distances)
    figures |= {} if apart is None else {"site_distances": apart}
    warnings = (*(() if confounded is None else confounded.sentences()), *found.warnings)
    warnings = (*grouped_sentences(plan, in_groups, outcome.choices), *warnings, *fitted.sentences())
    warnings = (*warnings, *distance_sentences(plan, apart))
    wanted, share = outcome.familiarity, plan.decide.unseen
    familiar = None if wanted is None or share is None else wanted.familiar(share)
    return Evidence(found.calibration, decisions, familiar, figures, warnings)
