"""Cases that took part in a run and can't be read any more: what is kept of them, so that the run goes on over them.

A figure over the others would tell of the one that is gone, beside the figure before. What a run needs of a case is in
the row store, under keys that come from the file's content; so a site keeps, for each run, the keys of those who take
part. They are digests, in the state folder, by keyed marks of the manifest's lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.accepted import AcceptedCohort
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, Inputs
from fedgraft.client.features.extraction import FeatureExtractor, views_of
from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, LostCaseError

FOLDER = "recall"
Keys = tuple[bytes, ...]
"""A case's keys, view by view."""
Place = tuple[bytes, int]
"""A line's mark, and the row of a case in its file; -1 for none."""


@dataclass(frozen=True)
class Recall:
    """What a site keeps of a run's cases.

    Attributes:
        state: the site's state folder.
        run: Flower's id of the run.
        extractor: its stores are asked whether they hold a case's rows.
    """

    state: Path
    run: int
    extractor: FeatureExtractor

    @property
    def file(self) -> Path:
        return self.state / FOLDER / f"{self.run}.safetensors"

    def of(self, marks: Mapping[Case, bytes]) -> dict[Case, Keys]:
        """Of cases that can't be read, with the marks of their lines, those of which the run's rows are all kept."""
        known = self._known()
        held = {case: known[place] for case, mark in marks.items() if (place := _place(case, mark)) in known}
        return {case: keys for case, keys in held.items() if self.extractor.holds(keys)}

    def keep(self, accepted: AcceptedCohort, extractor: FeatureExtractor, trains: bool) -> None:
        """Keep the keys of all who take part; nothing is written if they are kept already."""
        views = views_of(extractor.plan, trains)
        cases = {case: views[name] for name, part in accepted.splits.items() for case in part.cases}
        marks = accepted.account.marks([*cases])
        entries = [(*_place(case, marks[case]), view) for case, most in cases.items() for view in range(most)]
        digest = hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()
        if self._digest() == digest:
            return
        keys = extractor.inputs.keys([CaseView(case, view) for case, most in cases.items() for view in range(most)])
        found = {
            "marks": _bytes([mark for mark, _, _ in entries]),
            "rows": torch.tensor([row for _, row, _ in entries]),
            "views": torch.tensor([view for _, _, view in entries]),
            "keys": _bytes(keys),
        }
        tensors.save(self.file, found, {"of": digest})

    def _digest(self) -> str:
        try:
            return tensors.about(self.file).get("of", "") if self.file.is_file() else ""
        except BackboneError:  # damaged: written again
            return ""

    def _known(self) -> dict[Place, Keys]:
        try:
            held = {name: one.numpy() for name, one in tensors.load(self.file).items()} if self.file.is_file() else {}
        except BackboneError:
            held = {}
        return dict(_read(held)) if held else {}


def _read(held: Mapping[str, NDArray[np.generic]]) -> Iterator[tuple[Place, Keys]]:
    found: dict[Place, list[bytes]] = {}
    for mark, row, key in zip(held["marks"], held["rows"], held["keys"], strict=True):  # views stand in order
        found.setdefault((mark.tobytes(), int(row)), []).append(key.tobytes())
    yield from ((place, tuple(keys)) for place, keys in found.items())


def _place(case: Case, mark: bytes) -> Place:
    return mark, -1 if case.row is None else case.row


def _bytes(some: Sequence[bytes]) -> Tensor:
    """``(N, length)`` uint8."""
    return torch.from_numpy(np.frombuffer(b"".join(some), np.uint8).reshape(len(some), -1).copy())


@dataclass(frozen=True)
class Recalled:
    """The inputs of a cohort of which some cases can't be read any more; what is kept of them has the same keys."""

    readable: Inputs
    lost: Mapping[Case, Keys]

    @property
    def fingerprint(self) -> str:
        return self.readable.fingerprint

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        return self.readable.expanded(cases)

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        return self.readable.verdicts(cases)

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes] | None:
        return self.readable.digests(cases)

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        others = iter(self.readable.keys([one for one in wanted if one.case not in self.lost]))
        return [self.lost[one.case][one.view] if one.case in self.lost else next(others) for one in wanted]

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """
        Raises:
            LostCaseError: one can't be read any more, and is wanted in another form than that which is kept.
        """
        if any(one.case in self.lost for one in wanted):
            raise LostCaseError("a case that took part in this run can't be read any more, and its rows are gone")
        yield from self.readable.batches(wanted, batch)
