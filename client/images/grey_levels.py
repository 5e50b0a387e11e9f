"""How many of its 16 bits a picture or array uses: what the manifest says, and what the pixels show.

A DICOM file says in (0028,0101) Bits Stored which value is white; a PNG, TIFF or array of 16 bits does not, and exports
often hold 12 bits in it: a sixteenth of the range, nearly black. A guess by one image would scale it differently from
its neighbours, and a guess by all would let one image change the others. So white is 65,535 unless the manifest's
column ``bits_stored`` says otherwise, and a cohort that stays far below is spoken of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import USABLE, CaseError

COLUMN = "bits_stored"
DEEP = 16
_LOW = 1 << 12
_FEW = 0.05
"""Share of dark pictures among others from which two ways of export are likely."""


@dataclass(frozen=True)
class Levels:
    """The bits that hold the grey value; ``stated``: by the file or the manifest."""

    bits: int = DEEP
    stated: bool = False

    @property
    def white(self) -> int:
        """The stored value that is white."""
        return (1 << self.bits) - 1


UNSTATED = Levels()


def levels_of(case: Case) -> Levels:
    """What the manifest says of a case.

    Raises:
        CaseError: ``inconsistent``: the cell is no whole number from 1 to 16.
    """
    cell = case.column(COLUMN)
    if not cell:
        return UNSTATED
    if not cell.isascii() or not cell.isdigit() or not 1 <= int(cell) <= DEEP:
        raise CaseError("inconsistent", f"the manifest's `{COLUMN}` must be a whole number from 1 to {DEEP}, or empty")
    return Levels(int(cell), stated=True)


def checked_top(stored: NDArray[np.generic], levels: Levels) -> int:
    """The largest of an image's stored values, any shape, integers; 0 if it is stated how many bits are used.

    Raises:
        CaseError: ``inconsistent``: it is more than the stated bits hold.
    """
    top = int(stored.max()) if stored.size else 0
    if top > levels.white:
        raise CaseError("inconsistent", f"a pixel is above {levels.white}, the most that {levels.bits} bits hold")
    return 0 if levels.stated else top


class Unused(NamedTuple):
    """A sentence on pictures that leave most grey levels unused, what to do, and where dark ones are among others."""

    text: str
    todo: str
    places: tuple[int, ...] = ()


def unused(facts: NDArray[np.void]) -> Unused | None:
    """What is to be said of the usable images' grey levels; ``None``: nothing, or there is none of 16 bits.

    Args:
        facts: ``(N,)`` of `fedgraft.client.images.facts.FACTS`.
    """
    used = (facts["reason"] == USABLE) & (facts["top"] > 0)
    tops = facts["top"][used]
    if not len(tops):
        return None
    most, white, one = int(tops.max()), UNSTATED.white, len(tops) == 1
    what = f"{len(tops):,} picture{'' if one else 's'} of 16 bits"
    if most <= white // 2:
        bits = most.bit_length()
        dark = "nearly black" if bits <= 13 else "dark"
        return Unused(
            f"{what} use{'s' if one else ''} only {most + 1:,} of {white + 1:,} grey levels, and "
            f"{'is' if one else 'are'} {dark} to the network",
            f"if they hold {bits} bits, say so in the manifest: a column `{COLUMN}` with {bits} in these lines",
        )
    places = tuple(np.flatnonzero(used & (facts["top"] < _LOW)).tolist())
    low = len(places)
    if not low:
        return None
    levels = f"less than {_LOW:,} of {white + 1:,} grey levels"
    if low < 2 or low < _FEW * len(tops):
        use, are, them = ("uses", "is", "it") if low == 1 else ("use", "are", "them")
        return Unused(
            f"{low:,} of {what} {use} {levels}, and {are} nearly black to the network; others use up to {most + 1:,}",
            f"look at {them}: of a picture of 12 bits the manifest's column `{COLUMN}` must say 12; one that is dark "
            "indeed can stay",
            places,
        )
    return Unused(
        f"{low:,} of {what} use {levels}, others up to {most + 1:,}",
        f"if they were exported in two ways, give the bits of each in the manifest's column `{COLUMN}`",
        places,
    )


def kept_under(case: Case) -> str:
    """What a case's pixels depend on by its levels, for keys; empty if the manifest says nothing."""
    cell = case.column(COLUMN)
    return f"|bits {cell}" if cell else ""


def sentences(facts: NDArray[np.void]) -> Sequence[str]:
    """`unused` as a sentence."""
    found = unused(facts)
    return () if found is None else (f"{found.text}: {found.todo}",)
