"""A final model that tells no two cases apart: a sentence for ``warnings`` in ``summary.json``."""

from __future__ import annotations

from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.state import RunOutcome

_LEAST = 10
"""Cases that must have been given one score, before it means anything."""


def collapsed_sentences(plan: Plan, outcome: RunOutcome) -> list[str]:
    """That all cases of each hospital have the same scores (lie in one bin of each), if they do."""
    told = [evaluation for splits in outcome.final.by_site.values() for evaluation in splits.values()]
    counts = [one for evaluation in told for one in evaluation.score_counts()]
    if (
        sum(evaluation.cases for evaluation in told) < _LEAST
        or not counts
        or any(len(one.scores) > 1 for one in counts)
    ):
        return []
    hint = "" if is_exact(plan.strategy) else f"; train.lr={plan.train.lr:g} may be too large: try a tenth of it"
    return [
        "the final model gives all cases of a hospital the same score: its training has collapsed, or never "
        f"began{hint}"
    ]
