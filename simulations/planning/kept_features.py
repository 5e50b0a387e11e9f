"""What ``features.keep`` does, in words."""

from __future__ import annotations

from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan


def keep_sentences(plan: Plan, model: Model) -> list[str]:
    """What ``features.keep`` does; nothing without."""
    if plan.features.keep is None:
        return []
    groups = ", ".join(f"{group.name} {group.width}" for group in model.groups)
    return [
        f"features.keep: {model.head_width} of {model.width} features enter the head, those that tell the classes "
        f"apart best by the sums of all training cases (chosen from {groups})"
    ]
