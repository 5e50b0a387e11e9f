"""What an attack found: sentences, a table, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps, meets_once


class NotTriedError(Exception):
    """An attack can't be tried on this run; says why, and what would be needed."""


def require_known(plan: Plan) -> None:
    """
    Raises:
        NotTriedError: attacks that imitate a run do not know how the plan's sites add noise.
    """
    if by_steps(plan) or meets_once(plan):
        raise NotTriedError(
            "this attack imitates the noisy gradients of strategy=exact, and this run's sites trained by noisy steps "
            "of their own (privacy=record_trained), or told sums once (record_once): nothing would be shown of them"
        )


@dataclass(frozen=True)
class Table:
    """Rows under headings, as text; the first cell names the row."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Finding:
    """What came of an attack.

    Attributes:
        name: short, for ``audit.json``.
        title: for people.
        asked: what an attacker would do, and have for it; a sentence.
        said: what it got, a sentence each.
        table: what it got in numbers; ``None`` if sentences say it all.
        figures: the numbers, as JSON.
        tried: whether it was.
        pictures: images in PNG that belong to it, of phantoms only, each with its caption.
    """

    name: str
    title: str
    asked: str
    said: tuple[str, ...]
    table: Table | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    tried: bool = True
    pictures: Sequence[tuple[str, bytes]] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without pictures."""
        table = None if self.table is None else {"headings": self.table.headings, "rows": self.table.rows}
        return {
            "name": self.name,
            "title": self.title,
            "asked": self.asked,
            "tried": self.tried,
            "said": self.said,
            "table": table,
            "figures": dict(self.figures),
        }


def not_tried(name: str, title: str, asked: str, why: str) -> Finding:
    """A finding of an attack that was not tried."""
    return Finding(name, title, asked, (f"Not tried: {why}.",), tried=False)
