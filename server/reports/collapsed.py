"""A final model that tells no two cases apart: a sentence for ``warnings`` in ``summary.json``."""

from __future__ import annotations

from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.grouped import grouped_of
from fedgraft.server.rounds.state import RunOutcome

_LEAST = 10
"""Cases that must have been given one score, before it means anything."""


def collapsed_sentences(plan: Plan, outcome: RunOutcome) -> list[str]:
    """That all cases of each hospital have the same scores (lie in one bin of each), if they do; scores that came in
    too few groups say nothing of it."""
    grouped, cases, levels = grouped_of(plan, outcome), 0, set[int]()
    for site, splits in outcome.final.by_site.items():
        for evaluation in splits.values():
            clear = [one for one in evaluation.score_counts() if not grouped.blurred(site, one)]
            cases += evaluation.cases * bool(clear)
            levels.update(len(one.scores) for one in clear)
    if cases < _LEAST or not levels or max(levels) > 1:
        return []
    hint = "" if is_exact(plan.strategy) else f"; train.lr={plan.train.lr:g} may be too large: try a tenth of it"
    return [
        "the final model gives all cases of a hospital the same score: its training has collapsed, or never "
        f"began{hint}"
    ]
