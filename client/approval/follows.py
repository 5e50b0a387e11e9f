"""A plan that is one which was approved, with the numbers that the sites were asked for: it needs no second yes.

Of a table, or for harmonising images, the coordinator first asks for statistics by the plan as it is, and then sends
the same plan with the pooled numbers in it, which has another digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan


def follows(new: Plan, approved: Plan, trusted: tuple[str, ...]) -> bool:
    """Whether a plan differs from an approved one in nothing but the options that statistics fill; a list among these
    may have lost members, and gained none.

    Raises:
        PlanError: the approved plan's kind of input can't be built here.
    """
    asked = kind_of(approved, trusted).federated_statistics()
    if asked is None:
        return False
    filled = asked.fills()
    ours, theirs = dict(options(new.to_dict())), dict(options(approved.to_dict()))
    for name in ours.keys() | theirs.keys():
        one, other = ours.get(name), theirs.get(name)
        if one == other:
            continue
        if not any(name == whole or name.startswith(f"{whole}.") for whole in filled):
            return False
        if isinstance(other, list | tuple) and other and not set(one or ()) <= set(other):
            return False
    return True


def options(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The options of a plan that was made plain, by dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from options(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
