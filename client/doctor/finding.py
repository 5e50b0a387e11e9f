"""One line of the report: how it stands, what was looked at, what was found, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes:
        grade: ``problem`` = a run would fail, leave cases' pixels exposed or give wrong figures; ``warning`` = somebody
            should look at it; ``ok`` = nothing to do.
        what: what was looked at, in a word or two.
        text: what was found. Never a patient, a case's path, its label or its identifiers.
        todo: what to do about it; empty if nothing.
    """

    grade: Grade
    what: str
    text: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.grade:<8} {self.what}: {self.text}" + (f"; {self.todo}" if self.todo else "")


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if there is no problem (warnings are allowed), else 1."""
    return 1 if any(finding.grade == "problem" for finding in findings) else 0
