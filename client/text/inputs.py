"""Notes as inputs of a network: tokens in windows, and hashed words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, Progress, ignore
from fedgraft.client.cohort.quarantine import USABLE, CaseError, number_of
from fedgraft.client.cohort.shown import StandIn
from fedgraft.client.notes.views import NoteViews
from fedgraft.client.text.hashing import Hasher
from fedgraft.client.text.notes import NoteReader, words_of
from fedgraft.client.text.stand_ins import stand_ins_of, without_windows
from fedgraft.client.text.windows import Windower
from fedgraft.common.errors import DataError
from fedgraft.common.installed import version_of
from fedgraft.common.interfaces.inputs import TextSpec

_NOTES_AT_ONCE, _WINDOWS_AT_ONCE = 64, 96
TOO_SHORT = 12
"""Two notes of fewer words that are equal are no duplicates: "No known allergies." is said of many."""


@dataclass
class TextInputs:
    """`fedgraft.client.cohort.inputs.Inputs` of notes. A note is read to check it, and again to compute it.

    Attributes:
        reader: reads notes.
        spec: of the plan's network's input.
        windower: cuts notes into windows; ``None`` if the network reads none.
        hasher: of words; ``None`` if none are.
        tokenizer: digest of what cuts notes.
        decoded: called with the number of notes that were checked.
        views: makes copies of notes; ``None`` if the plan asks for none.
    """

    reader: NoteReader
    spec: TextSpec
    windower: Windower | None
    hasher: Hasher | None
    tokenizer: str
    decoded: Progress = ignore
    views: NoteViews | None = None
    _seen: dict[Case, tuple[bytes, bytes] | CaseError] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        computed = (version_of("scikit-learn"), "text-1")
        said = json.dumps([asdict(self.spec), self.tokenizer, *computed], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases themselves, since each is one note."""
        return tuple(cases)

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        found = (self._look(case) for case in cases)
        return np.array([number_of(one.reason) if isinstance(one, CaseError) else USABLE for one in found], np.uint8)

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes]:
        """Equal for notes with the same words, of `TOO_SHORT` or more; empty for cases that can't be used."""
        found = (self._look(case) for case in cases)
        return [b"" if isinstance(one, CaseError) else one[1] for one in found]

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        """Digests of the texts: equal ones are computed and kept once.

        Raises:
            CaseError: a case can't be used.
            DataError: another view than the note as it is, and the plan asks for no copies.
        """
        found = [self._usable(one.case)[0] for one in wanted]
        if not any(one.view for one in wanted):
            return found
        return [hashlib.sha256(text.encode()).digest() for text in self._texts(wanted)]

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """As `Inputs.batches`; fewer notes where they are long, so that a batch has about as many windows."""
        start = 0
        while start < len(wanted):
            most = min(batch, _NOTES_AT_ONCE)
            inputs = self.encoded(self._texts(wanted[start : start + most]))
            for part in self._parts(inputs):
                yield slice(start + part.start, start + part.stop), torch.from_numpy(inputs[part])
            start += most

    def note(self, case: Case) -> str:
        """The text of a usable case.

        Raises:
            CaseError: it can't be used.
        """
        return self.reader.note(case)

    def encoded(self, notes: Sequence[str]) -> NDArray[np.float32]:
        """The inputs of notes, ``(B, *spec.shape)``."""
        parts = [] if self.windower is None else [self.windower.tokens(notes)]
        return np.concatenate([*parts, *([] if self.hasher is None else [self.hasher.numbers(notes)])], axis=1)

    @property
    def compared(self) -> str:
        return "those of the note without the word, or the window"

    def stand_ins(self, case: Case, row: Tensor) -> list[StandIn]:
        """As `fedgraft.client.cohort.shown.InColumns`: the note without one of its windows, or of its words."""
        note = self.note(case)
        openings = () if self.windower is None else self.windower.openings(note)
        windows = without_windows(torch.from_numpy(self.encoded([note])), self.spec, openings)
        return [*windows, *stand_ins_of(note, lambda notes: torch.from_numpy(self.encoded(notes)))]

    def _parts(self, inputs: NDArray[np.float32]) -> Iterator[slice]:
        """Slices of a batch with at most about `_WINDOWS_AT_ONCE` windows, of one note at least."""
        windows = (
            inputs[:, : self.spec.tokens].reshape(len(inputs), max(self.spec.windows, 1), -1).any(axis=2).sum(axis=1)
        )
        start, held = 0, 0
        for place, count in enumerate(windows.tolist()):
            if held and held + count > _WINDOWS_AT_ONCE:
                yield slice(start, place)
                start, held = place, 0
            held += count
        yield slice(start, len(inputs))

    def _texts(self, wanted: Sequence[CaseView]) -> list[str]:
        notes = [self.note(one.case) for one in wanted]
        if self.views is not None:
            return self.views.texts([(note, one.view) for note, one in zip(notes, wanted, strict=True)])
        if any(one.view for one in wanted):
            raise DataError("a note has no other view than itself; set augment.views=1, or augment=notes")
        return notes

    def _usable(self, case: Case) -> tuple[bytes, bytes]:
        found = self._look(case)
        if isinstance(found, CaseError):
            raise CaseError(found.reason, found.text)
        return found

    def _look(self, case: Case) -> tuple[bytes, bytes] | CaseError:
        """Digests of the note, and of its words."""
        if case not in self._seen:
            try:
                note = self.note(case)
                self._seen[case] = (hashlib.sha256(note.encode()).digest(), _digest(case, note))
            except CaseError as error:
                self._seen[case] = error
            self.decoded(1)
        return self._seen[case]


def _digest(case: Case, note: str) -> bytes:
    words = words_of(note)
    said = " ".join(words) if len(words) >= TOO_SHORT else f"{case.path}|{case.row}|{case.patient}"
    return hashlib.sha256(said.encode()).digest()
