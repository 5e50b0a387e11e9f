"""The cases that can't be used, by reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.check.formatting import count_of, lines_of
from fedgraft.client.check.report import Finding, Grade, Grid
from fedgraft.client.cohort.quarantine import REASONS, USABLE, reason_of

NAMES = "`fedgraft site case NAME` gives the line of a case that state/quarantine.jsonl or a log names"


_OF_ROWS = MappingProxyType(
    {
        "damaged": "the table is not CSV in UTF-8, or not a readable Parquet file",
        "inconsistent": "the row has more or fewer cells than the table's header",
        "no-row": "the table has no such row",
        "too-large": "the table has more bytes than limits.decoded_bytes",
        "unsupported": "a table must be a .csv, .parquet or .pq file",
    }
)
_GO_ON = "; until then runs go on without them"
_TODO = MappingProxyType(
    {
        "missing": "copy the files here, or correct `path` in the manifest" + _GO_ON,
        "not-dicom": "a picture needs its suffix (.png, .jpg, .tif, .bmp); leave out what is no image" + _GO_ON,
        "no-pixels": "leave out reports, presentation states and the like" + _GO_ON,
        "unsupported": "export them as uncompressed DICOM" + _GO_ON,
        "too-large": "if they are sound, raise `limits` in site.yaml" + _GO_ON,
        "too-slow": "if they are sound, raise limits.seconds in site.yaml" + _GO_ON,
        "burned-in": "export them without text; refuse_burned_in: false in site.yaml takes them as they are",
        "no-frame": "correct `row` in the manifest" + _GO_ON,
        "mixed-series": "give each series a folder of its own" + _GO_ON,
        "no-row": "correct `path` and `row` in the manifest" + _GO_ON,
        "bad-value": "correct the cells; a mark for a missing value belongs into the plan's table.missing",
        "no-unit": "ask for a plan with dicom.window=file, or leave these files out",
        "empty": "leave them out of the manifest" + _GO_ON,
        "not-text": "export their text; a PDF or Word file is no text" + _GO_ON,
        "encoding": "save them as UTF-8; base64 must be what the plan's input.coding says" + _GO_ON,
        "too-long": "is it more than one note? A plan can allow more by input.most_characters" + _GO_ON,
        "repetitive": "look at them: a copy went wrong" + _GO_ON,
        "other-language": "ask for a plan whose input.languages and network know it, or leave them out",
        "no-window": "ask for a plan with dicom.choice=0, or leave these files out",
    }
)


def refusals(lines: Sequence[int], verdicts: NDArray[np.uint8], what: str) -> tuple[Finding, ...]:
    """One finding per reason, most cases first: how many cases, and the manifest's lines.

    Args:
        lines: the manifest's line of each case.
        verdicts: 0 for a usable case, else the number of its reason.
        what: the word for a case: ``image`` or ``row``.
    """
    number = count_of(len(verdicts), what)
    by_reason: dict[str, list[int]] = defaultdict(list)
    for line, verdict in zip(lines, verdicts.tolist(), strict=True):
        reason = reason_of(verdict)
        if reason is not None:
            by_reason[reason].append(line)
    if not by_reason:
        return (Finding("ok", "quarantine", f"all {number} can be used"),)
    usable = bool((verdicts == USABLE).any())
    grade: Grade = "warning" if usable else "problem"
    found = [
        Finding(
            grade,
            f"quarantine: {code}",
            f"{len(some):,} of {number}: {_meaning(code, what)}; {lines_of(some)} of the manifest",
            _todo(code, what),
        )
        for code, some in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    ]
    if not usable:
        text, todo = f"no {what} can be used", "nothing can be trained on at this site"
        return (*found, Finding("problem", "quarantine", text, todo))
    return (*found, Finding("ok", "quarantine", f"{int((verdicts == USABLE).sum()):,} of {number} can be used", NAMES))


def refusal_grid(verdicts: NDArray[np.uint8], what: str) -> Grid:
    """The number of cases by reason."""
    counts = Counter(reason_of(verdict) for verdict in verdicts.tolist())
    rows = [("usable", f"{counts.pop(None, 0):,}", "")]
    rows += [(str(code), f"{count:,}", _meaning(str(code), what)) for code, count in counts.most_common()]
    return Grid("quarantine", ("outcome", f"{what}s", "meaning"), tuple(rows))


def _todo(code: str, what: str) -> str:
    if what == "row" and code == "unsupported":
        return f"save it as CSV (UTF-8) or Parquet{_GO_ON}"
    return _TODO.get(code, f"correct the files or the manifest{_GO_ON}")


def _meaning(code: str, what: str) -> str:
    return _OF_ROWS.get(code, REASONS[code]) if what == "row" else REASONS[code]
