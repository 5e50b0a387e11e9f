"""Finding what may name a patient, by the recognisers of presidio-analyzer (Microsoft, MIT) and our own patterns.

Only recognisers by pattern and checksum are used: no language model is loaded, none is downloaded, and nothing is asked
of the network (presidio's own check of mail addresses would fetch a list of domains: its pattern is used without it).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgraft.client.deidentification.patterns import PATTERNS
from fedgraft.common.errors import DataError

INSTALL = "presidio-analyzer is not installed: pip install 'fedgraft[deidentify]'"
_SURE_ENOUGH = (
    0.3  # presidio's score of a pattern alone; below are those that it trusts beside a word like "passport" only
)
_OWN = 0.6
_THEIRS: Mapping[str, str] = {
    "PhoneRecognizer": "telephone",
    "DateRecognizer": "date",
    "IpRecognizer": "network address",
    "MacAddressRecognizer": "network address",
    "CreditCardRecognizer": "card or account",
    "IbanRecognizer": "card or account",
    "UsSsnRecognizer": "social security number",
    "UkNinoRecognizer": "social security number",
    "NhsRecognizer": "record number",
    "MedicalLicenseRecognizer": "licence or plate",
}
"""Recognisers of presidio, and what their findings are called here."""
KINDS = tuple(dict.fromkeys([*PATTERNS, *_THEIRS.values(), "mail"]))


@dataclass(frozen=True)
class Found:
    """``text[start:end]`` may name a patient."""

    kind: str
    start: int
    end: int


class Finder:
    """Finds, in one text at a time.

    Args:
        own: more patterns of a site, by kind: of its record numbers, for instance.

    Raises:
        DataError: presidio-analyzer is not installed, or a pattern is none.
    """

    def __init__(self, own: Mapping[str, Sequence[str]] | None = None) -> None:
        try:
            import presidio_analyzer as presidio  # spaCy with it: seconds, for whom it serves only
            from presidio_analyzer import predefined_recognizers as theirs
        except ModuleNotFoundError:
            raise DataError(INSTALL) from None
        patterns: dict[str, list[str]] = {kind: list(those) for kind, those in PATTERNS.items()}
        for kind, those in (own or {}).items():
            patterns.setdefault(kind, []).extend(_checked(kind, pattern) for pattern in those)
        patterns["mail"] = [*patterns.get("mail", []), *(pattern.regex for pattern in theirs.EmailRecognizer.PATTERNS)]
        self._recognisers: list[tuple[str, Any]] = [
            (kind, getattr(theirs, name)(supported_language="en")) for name, kind in _THEIRS.items()
        ]
        for kind, those in patterns.items():
            listed = [presidio.Pattern(f"{kind} {at}", pattern, _OWN) for at, pattern in enumerate(those)]
            recogniser = presidio.PatternRecognizer(supported_entity=kind, patterns=listed, name=kind)
            self._recognisers.append((kind, recogniser))

    def find(self, text: str) -> tuple[Found, ...]:
        """What was found, from left to right; of findings that overlap, the longest, then the first by kind."""
        found = [
            Found(kind, one.start, one.end)
            for kind, recogniser in self._recognisers
            for one in recogniser.analyze(text, recogniser.supported_entities, None)
            if one.score >= _SURE_ENOUGH
        ]
        found.sort(key=lambda one: (one.start - one.end, KINDS.index(one.kind) if one.kind in KINDS else -1, one.start))
        kept: list[Found] = []
        for one in found:
            if all(one.end <= other.start or other.end <= one.start for other in kept):
                kept.append(one)
        return tuple(sorted(kept, key=lambda one: one.start))


@dataclass(frozen=True)
class Counts:
    """Of many notes: ``found`` by kind, ``notes`` that have the kind, ``any``: with at least one, ``of``: all."""

    found: Counter[str]
    notes: Counter[str]
    any: int
    of: int


def counted(each: Iterable[Sequence[Found]]) -> Counts:
    """Counts of what was found in each note."""
    found: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    some = total = 0
    for those in each:
        found.update(one.kind for one in those)
        notes.update({one.kind for one in those})
        some += bool(those)
        total += 1
    return Counts(found, notes, some, total)


def replaced(text: str, found: Sequence[Found]) -> str:
    """The text with its kind in brackets in the place of each finding: ``[NAME]``."""
    for one in sorted(found, key=lambda one: -one.start):
        text = f"{text[: one.start]}[{one.kind.upper()}]{text[one.end :]}"
    return text


def _checked(kind: str, pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise DataError(f"--pattern {kind}={pattern} is no regular expression: {error}") from None
    if re.compile(pattern).fullmatch(""):
        raise DataError(f"--pattern {kind}={pattern} matches an empty text; say what must stand there")
    return pattern
