"""Words of a manifest, numbers and line numbers as text that is safe and easy to read."""

from __future__ import annotations

from collections.abc import Sequence

MOST_CHARACTERS = 40
MOST_LINES = 10
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def shown(text: str) -> str:
    """At most 40 printable characters: a cell could hold a terminal's control sequences, or a page of text."""
    printable = "".join(character if character.isprintable() else "�" for character in text[: MOST_CHARACTERS + 1])
    return printable if len(printable) <= MOST_CHARACTERS else printable[: MOST_CHARACTERS - 1] + "…"


def lines_of(numbers: Sequence[int]) -> str:
    """``line 2`` or ``lines 2, 5, 9, ...``: the first ten of the manifest's lines."""
    some = sorted(set(numbers))
    text = ", ".join(map(str, some[:MOST_LINES])) + (", ..." if len(some) > MOST_LINES else "")
    return f"line{'s' if len(some) > 1 else ''} {text}"


def count_of(number: int, one: str, many: str = "") -> str:
    """``1 case``, ``2 cases``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def share(part: int, whole: int) -> str:
    """``12.5 %``; a dash if the whole is zero."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def number_of(number: float) -> str:
    """A number in four digits, without an exponent up to a million: ``0.0012``, ``37.25``, ``12,345``."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e6 else f"{number:.4g}"


def size_of(size: float) -> str:
    """Bytes in the unit (of powers of ten) that keeps the number short."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"


def seconds_of(seconds: float) -> str:
    """``80 ms``, ``3.2 s``, ``12 min``, ``5.0 h``."""
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
