"""Figures of what is familiar: how many of the sites' own cases are flagged as unlike the training cases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fedgraft.common.familiarity.distances import Counts, beyond
from fedgraft.common.familiarity.familiarity import Familiarity
from fedgraft.common.plan.plan import Plan


def familiarity_figures(plan: Plan, found: Familiarity | None) -> dict[str, Any] | None:
    """The key ``familiarity`` of ``summary.json``; ``None`` if the plan does not want it, or no site told anything."""
    share = plan.decide.unseen
    if found is None or share is None:
        return None
    limit = found.familiar(share).limit
    sites = {
        name: {split: _flagged(counts, limit) for split, counts in splits.items()}
        for name, splits in sorted(found.counts.items())
    }
    return {
        "share": share,
        "limit": None if math.isinf(limit) else round(limit, 6),
        "from_sites": sorted(found.trained),
        "sites": sites,
        "pooled": {split: _flagged(_all(found.counts, split), limit) for split in ("val", "test")},
    }


def _flagged(counts: Counts, limit: float) -> dict[str, Any]:
    cases, strange = sum(counts), beyond(counts, limit)
    return {"cases": cases, "flagged": strange, "share": round(strange / cases, 6) if cases else None}


def _all(counts: Mapping[str, Mapping[str, Counts]], split: str) -> Counts:
    told = [splits[split] for splits in counts.values() if split in splits]
    return tuple(sum(column) for column in zip(*told, strict=True))
