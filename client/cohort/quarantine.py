"""The quarantine: reasons why a case can't be used, and the list of such cases by pseudonym and reason; and what else
a site says of its cases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import append_json, replacing

USABLE = 0
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "the file does not exist or can't be opened",
        "not-dicom": "not a DICOM file: no DICM prefix (PS3.10 section 7.1)",
        "damaged": "the file is cut off, or its elements or pixels can't be parsed",
        "no-pixels": "the DICOM file holds no image",
        "unsupported": "a format, transfer syntax, photometric interpretation or kind of pixel that is not read",
        "inconsistent": "lengths, shapes or values contradict each other: the pixels would be wrong",
        "too-large": "beyond one of the site's limits (pixels, frames, decoded bytes or header)",
        "too-slow": "decoding took longer than the site's limit",
        "crashed": "the decoder ended its process, or ran out of memory",
        "burned-in": "(0028,0301) Burned In Annotation is YES, and the site refuses such images",
        "no-frame": "the file has no such frame, or the series no such slice",
        "mixed-series": "the slices of a series differ in size, orientation or meaning, or two lie at one place",
        "no-row": "the array or table has no such row",
        "bad-value": "a cell of the table is not a number where the plan says numeric",
        "blank": "all pixels are equal: there is nothing to see",
        "no-unit": "the plan's window is in a unit, and the file does not say that its values have it",
        "no-window": "the file has windows, but not the one that the plan's dicom.choice names",
        "empty": "the note holds no word",
        "not-text": "the note is a binary file: it holds bytes that no text has",
        "encoding": "the note is not UTF-8 text, or not the base64 that the plan says",
        "too-long": "the note has more characters than the plan's input.most_characters",
        "repetitive": "the note says the same again and again: it can be compressed to a hundredth",
        "other-language": "the note is clearly in another language than those of the plan's input.languages",
    }
)
"""The meaning of each reason, by code. Verdicts are stored as numbers in this order, so new codes must be appended."""


_NUMBERS = {code: number for number, code in enumerate(REASONS, start=1)}
_CODES = {number: code for code, number in _NUMBERS.items()}
PASSING = frozenset({"missing", "too-large", "too-slow", "crashed"})
"""Reasons that may be due to the machine or the site's limits; files with these are tried again on each start."""


FILE = "quarantine.jsonl"
_REMARKS = "remarks.json"


def write_quarantine(state: Path, cases: Sequence[Case], verdicts: NDArray[np.uint8]) -> dict[str, int]:
    """Replace ``quarantine.jsonl`` in a site's state folder: a line for each case that can't be used.

    Returns:
        the number of such cases by reason, most frequent first.
    """
    bad = [(case, reason_of(verdict)) for case, verdict in zip(cases, verdicts, strict=True) if verdict != USABLE]
    file = state / FILE
    if bad:
        names = Pseudonyms(state)
        with replacing(file) as partial:
            append_json(partial, *({"case": names.name(case), "reason": reason} for case, reason in bad))
    else:
        file.unlink(missing_ok=True)
    return count_reasons(verdicts)


def write_remarks(state: Path, said: Sequence[str]) -> None:
    """Replace the list of sentences on a site's cases, in its state folder; without any there is no file."""
    if said:
        state.mkdir(parents=True, exist_ok=True)
        with replacing(state / _REMARKS) as partial:
            partial.write_text(json.dumps([*said], indent=1) + "\n", encoding="utf-8")
    else:
        (state / _REMARKS).unlink(missing_ok=True)


def read_remarks(state: Path) -> tuple[str, ...]:
    """What `write_remarks` wrote last."""
    file = state / _REMARKS
    return tuple(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else ()


def number_of(reason: str) -> int:
    """The number by which a reason is stored."""
    return _NUMBERS[reason]


def reason_of(number: int) -> str | None:
    """The code of a reason's number; ``None`` for a usable case."""
    return _CODES.get(int(number))


def count_reasons(verdicts: NDArray[np.uint8]) -> dict[str, int]:
    """The number of unusable cases by reason, most frequent first."""
    counts = Counter(str(reason_of(number)) for number in verdicts.tolist() if number != USABLE)
    return dict(counts.most_common())


class CaseError(DataError):
    """One case can't be used.

    Args:
        reason: a code of `REASONS`.
        text: technical detail for the site's own screen; may name an element or a limit, but no patient, file or
            content.
    """

    code = "case-unusable"

    def __init__(self, reason: str, text: str = "") -> None:
        self.reason = reason
        self.text = text or REASONS[reason]
        super().__init__(f"{reason}: {self.text}")

    def __reduce__(self) -> tuple[type[CaseError], tuple[str, str]]:
        return CaseError, (self.reason, self.text)
