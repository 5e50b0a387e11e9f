"""What a reader must know of figures that have noise for privacy: a sentence for ``warnings`` in ``summary.json``."""

from __future__ import annotations

from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.state import RunOutcome

_SPLITS = {"val": "validation", "test": "test"}


def noisy_sentences(plan: Plan, outcome: RunOutcome) -> list[str]:
    """That figures have noise, and how far it moves the headline; nothing if they have none."""
    last = outcome.final
    if not last.noise:
        return []
    name, heading = last.task.headline, last.task.columns[last.task.headline]
    moved = [f"{_SPLITS[split]} {heading} {_by(errors.get(name))}" for split, errors in last.noise.items()]
    return [
        f"figures over the hospitals' cases have noise for privacy (privacy.evaluation={plan.privacy.evaluation:g}), "
        f"which moves {' and '.join(moved)} (root mean square), and are of patients in coarse bins of scores; "
        "intervals, calibration and thresholds count them as if they had none"
    ]


def _by(error: float | None) -> str:
    return "so far that it can't be relied on" if error is None else f"by {error:.3f}"
