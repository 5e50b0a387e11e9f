"""The plan's section on how long a coordinator waits, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from fedgraft.common.plan.types import STRICT, Count, NotNegative, Share

LONGEST = 12 * 3600.0
"""Seconds after which Flower drops a message: nobody is waited for any longer in one exchange."""
FIRST = 3600.0
"""Seconds that ``deadline=auto`` allows before any answer has told how long one takes."""
RENAMED = {"min_sites": "quorum_sites", "timeout": "deadline"}
"""Options of ``strategy`` that there were, and what they are called in ``patience``."""


def _deadline(value: Any) -> Any:
    """The value, if it is one of ``deadline``."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST
    if value != "auto" and not number:
        raise PydanticCustomError("deadline", "Must be auto, or seconds from above 0 to 43200 (Flower's own limit)")
    return float(value) if number else value


Deadline = Annotated[Literal["auto"] | float, PlainValidator(_deadline)]


@dataclass(frozen=True)
class PatienceSection:
    """How long a deployed run waits, and for whom. No part of the digest: what a round makes of its answers does not
    depend on it. In a simulation nothing waits; there the two quorums only say when a run ends.

    Attributes:
        deadline: seconds for an answer to a message; ``auto``: a multiple of how long the slowest recent answer took.
        quorum_sites: how many sites must be ready, and send a usable answer.
        quorum_cases: the share of all training cases of the run's sites that they must have together.
        wait: seconds that a run below quorum waits for sites, before it ends.
    """

    __pydantic_config__ = STRICT
    deadline: Deadline = "auto"
    quorum_sites: Count = 2
    quorum_cases: Share = 0.0
    wait: NotNegative = 86400.0

    @property
    def first_deadline(self) -> float:
        """Seconds for an answer to a message of a kind that nobody has answered yet."""
        return FIRST if self.deadline == "auto" else self.deadline


def renamed(strategy: Any) -> list[str]:
    """A sentence for each option of an unchecked ``strategy`` that is one of ``patience`` now."""
    given = strategy if isinstance(strategy, Mapping) else {}
    return [renamed_sentence(f"strategy.{old}") for old in RENAMED if old in given]


def renamed_sentence(name: str) -> str:
    """What to write in the place of ``strategy.min_sites`` or ``strategy.timeout``."""
    return f"{name} is called patience.{RENAMED[name.removeprefix('strategy.')]} now; write that"


OLD_NAMES = frozenset(f"strategy.{old}" for old in RENAMED)
