"""Why a case can't be used: one short code each. A case with a reason is quarantined, and the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fedgraft.common.errors import DataError

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "the file does not exist or can't be opened",
        "not-dicom": "not a DICOM file: no DICM prefix (PS3.10 section 7.1)",
        "damaged": "the file is cut off, or its elements or pixels can't be parsed",
        "no-pixels": "the DICOM file holds no image",
        "unsupported": "a transfer syntax, photometric interpretation or kind of pixel that FedGraft does not read",
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
    }
)
"""By code: what it means. The order is that of the numbers in which verdicts are kept: append only."""


PASSING = frozenset({"missing", "too-large", "too-slow", "crashed"})
"""Reasons that lie in the machine or the site's limits as much as in the file: it is looked at again on each start."""


class CaseError(DataError):
    """One case can't be used.

    Args:
        reason: a code of `REASONS`.
        text: technical, for the site's own screen: names an element or a limit, never a patient, a file or its content.
    """

    code = "case-unusable"

    def __init__(self, reason: str, text: str = "") -> None:
        self.reason = reason
        self.text = text or REASONS[reason]
        super().__init__(f"{reason}: {self.text}")

    def __reduce__(self) -> tuple[type[CaseError], tuple[str, str]]:
        return CaseError, (self.reason, self.text)
