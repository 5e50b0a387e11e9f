"""Taking cases in: every file is read once; what was seen of it is kept, and so are its pixels at the network's size.

Both are keyed by what the file holds, not by its name, and by everything that shapes them. What is kept counts only
when it is whole (`fedgraft.client.kept`), and is added as it comes: an interrupted intake goes on where it stopped. The
rows of an ``.npz`` are pixels already: of those, only facts are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.content import ContentIndex, stamp_of
from fedgraft.client.decoding import MOST, Answer, Order, decoded, look
from fedgraft.client.facts import FACTS, USABLE, number_of, reason_of, refusal
from fedgraft.client.images import CaseReader, Reading, by_file, file_of, is_row
from fedgraft.client.kept import ABSENT, Kept
from fedgraft.client.manifest import Case
from fedgraft.client.picture import Mark
from fedgraft.client.pictures import FORMATS
from fedgraft.client.store import Store
from fedgraft.client.transforms import resize
from fedgraft.client.unusable import PASSING
from fedgraft.common.backbone import InputSpec
from fedgraft.common.errors import DataError

Progress = Callable[[int], None]
_AT_ONCE = 256  # cases between two writes
_IN_ONE_ORDER = 32  # cases of one file that one process decodes in one go


@dataclass
class Intake:
    """The cases of one site, as one plan reads them.

    Args:
        reading: the plan's ``dicom`` section and the site's limits.
        spec: the backbone's input: pixels are kept at its size.
        store: where facts and pixels are kept.
        workers: processes that decode files; rows of arrays never need any.
        refuse_burned_in: whether an image with Burned In Annotation = YES can't be used.
        progress: is told how many cases were decoded, as it happens.
    """

    reading: Reading
    spec: InputSpec
    store: Store
    workers: int
    refuse_burned_in: bool
    progress: Progress
    _stamps: dict[str, bytes | None] = field(default_factory=dict)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _failed: dict[Case, NDArray[np.void]] = field(default_factory=dict)

    @cached_property
    def _reader(self) -> CaseReader:
        return CaseReader(self.reading)

    def facts(self, cases: Sequence[Case]) -> NDArray[np.void]:
        """``(N,)`` of `FACTS`; decodes what was not seen yet. A case with a ``reason`` can't be used."""
        self._know_contents(cases)
        absent = self._absent(cases)
        if absent:
            self._take_in([cases[place] for place in absent])
        failed = {place: self._failed[case] for place, case in enumerate(cases) if case in self._failed}
        readable = [p for p, case in enumerate(cases) if file_of(case) in self._contents and p not in failed]
        found = np.full(len(cases), refusal("missing"), FACTS)
        found[readable] = self._known_facts([cases[place] for place in readable])
        for place, facts in failed.items():  # what went wrong in this run, whatever was seen before
            found[place] = facts
        if self.refuse_burned_in:
            burned = (found["marks"] & Mark.BURNED_IN != 0) & (found["reason"] == USABLE)
            found["reason"][burned] = number_of("burned-in")
        return found

    def key(self, case: Case) -> bytes:
        """32 bytes: what the case holds, and everything that shapes its pixels. Ask for its `facts` first."""
        return _digest("pixels-2", self._within(case), self._shaping)

    def images(self, cases: Sequence[Case]) -> list[Tensor]:
        """``(1 or 3, S, S)`` float32 in [0, 1] of each case; all of them usable. Ask for their `facts` first."""
        planes = self._planes(self._known_facts(cases))
        return [self._image(case, int(count)) for case, count in zip(cases, planes, strict=True)]

    def _image(self, case: Case, planes: int) -> Tensor:
        if is_row(case):
            return resize(self._reader(case).pixels, self.spec)
        kept = self._kept_pixels(planes)
        (place,) = _present(kept.places([self.key(case)]))
        return torch.from_numpy(kept.rows().numpy()[place].astype(np.float32) / np.float32(MOST))

    def _know_contents(self, cases: Sequence[Case]) -> None:
        """Stamp the files that are new here, and find those that were seen on an earlier start."""
        files = sorted({file_of(case) for case in cases} - set(self._stamps))
        stamps = {file: stamp_of(Path(file)) for file in files}
        self._stamps |= stamps
        there = {file: stamp for file, stamp in stamps.items() if stamp is not None}
        known = self._index.known(list(there.values()))
        self._contents |= {file: content for file, content in zip(there, known, strict=True) if content is not None}

    def _absent(self, cases: Sequence[Case]) -> list[int]:
        """Positions of the cases to decode: nothing is known of them, or their pixels are not kept at this size."""
        known = [place for place, case in enumerate(cases) if file_of(case) in self._contents]
        keys = [self._facts_key(cases[place]) for place in known]
        seen = {place for place, kept in zip(known, self._kept_facts.places(keys), strict=True) if kept != ABSENT}
        files = [place for place in sorted(seen) if not is_row(cases[place])]
        facts = self._known_facts([cases[place] for place in files])
        for planes in (1, 3):
            usable = (facts["reason"] == USABLE) & (self._planes(facts) == planes)
            some = [place for place, use in zip(files, usable, strict=True) if use]
            kept = self._kept_pixels(planes).places([self.key(cases[place]) for place in some])
            seen -= {place for place, there in zip(some, kept, strict=True) if there == ABSENT}
        return [place for place, case in enumerate(cases) if place not in seen and self._is_there(case)]

    def _is_there(self, case: Case) -> bool:
        return self._stamps[file_of(case)] is not None and case not in self._failed

    def _take_in(self, cases: Sequence[Case]) -> None:
        """Decode, and keep what came every `_AT_ONCE` cases."""
        rows = [case for case in cases if is_row(case)]
        files = [case for case in cases if not is_row(case)]
        held: list[tuple[Order, Answer]] = []
        orders = [
            Order(file, tuple(files[place] for place in places[start : start + _IN_ONE_ORDER]))
            for file, places in by_file(files)
            for start in range(0, len(places), _IN_ONE_ORDER)
        ]
        whole = [Order(file, tuple(rows[place] for place in places)) for file, places in by_file(rows)]
        seen = ((order, look(order, self._reader)) for order in whole)
        for order, answer in chain(seen, decoded(orders, self.reading, self.spec, self.workers)):
            held.append((order, answer))
            self.progress(len(order.cases))
            if sum(len(order.cases) for order, _ in held) >= _AT_ONCE:
                self._keep(held)
                held = []
        self._keep(held)

    def _keep(self, held: Sequence[tuple[Order, Answer]]) -> None:
        """Pixels first, then facts, and last that the file is known: what is known is then whole."""
        everything = [pair for order, answer in held for pair in zip(order.cases, answer.taken, strict=True)]
        self._failed |= {case: one.facts for case, one in everything if one.facts["reason"] != USABLE}
        held = [(order, answer) for order, answer in held if answer.content]
        if not held:
            return
        self._contents |= {order.file: answer.content for order, answer in held}
        taken = [
            pair
            for order, answer in held
            for pair in zip(order.cases, answer.taken, strict=True)
            if (reason_of(int(pair[1].facts["reason"])) or "") not in PASSING
        ]
        for planes in (1, 3):
            some = [(case, one.pixels) for case, one in taken if one.pixels is not None and len(one.pixels) == planes]
            if some:
                self._kept_pixels(planes).add([self.key(case) for case, _ in some], np.stack([p for _, p in some]))
        if taken:
            rows = np.array([one.facts for _, one in taken], FACTS).view(np.uint8).reshape(-1, FACTS.itemsize)
            self._kept_facts.add([self._facts_key(case) for case, _ in taken], rows)
        stamps = {self._stamps[order.file] or b"": answer.content for order, answer in held}
        self._index.add(list(stamps), list(stamps.values()))

    def _known_facts(self, cases: Sequence[Case]) -> NDArray[np.void]:
        """``(N,)`` of `FACTS` of cases that were seen."""
        kept = self._kept_facts
        places = _present(kept.places([self._facts_key(case) for case in cases]))
        return np.ascontiguousarray(kept.rows().numpy()[places]).view(FACTS).reshape(-1)

    def _planes(self, facts: NDArray[np.void]) -> NDArray[np.uint8]:
        """Of what is kept: a network of one channel sees colour as grey."""
        planes: NDArray[np.uint8] = np.minimum(facts["planes"], self.spec.channels)
        return planes

    def _within(self, case: Case) -> str:
        """A case by what its file holds, where in it, and who reads it: a file's name chooses its reader."""
        suffix = Path(file_of(case)).suffix.lower()
        reader = suffix if suffix in FORMATS else "rows" if is_row(case) else "dicom"
        return f"{self._contents[file_of(case)].hex()}|{case.path.partition('::')[2]}|{case.row}|{reader}"

    def _facts_key(self, case: Case) -> bytes:
        return _digest("facts-2", self._within(case), self._look)

    @cached_property
    def _look(self) -> str:
        """Everything else that shapes what is seen of a file: how it is read, and whether all decoders are there."""
        return json.dumps([asdict(self.reading.dicom), find_spec("libjpeg") is not None, version("fedgraft")])

    @cached_property
    def _shaping(self) -> str:
        """Everything that shapes the pixels that are kept of it."""
        size = (self.spec.size, self.spec.interpolation, self.spec.channels == 1)
        return json.dumps([asdict(self.reading.dicom), size])

    @cached_property
    def _index(self) -> ContentIndex:
        return ContentIndex(self.store)

    @property
    def _kept_facts(self) -> Kept:
        return self.store.kind(_digest("facts-1", str(FACTS.descr)).hex(), (FACTS.itemsize,), "uint8")

    def _kept_pixels(self, planes: int) -> Kept:
        shape = (planes, self.spec.size, self.spec.size)
        return self.store.kind(_digest("pixels-1", str(shape)).hex(), shape, "uint16")


def _present(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """``places``, all of which must be kept: `ABSENT` would be another case's row.

    Raises:
        DataError: one is not.
    """
    if (places == ABSENT).any():
        raise DataError("what was kept of the cohort's cases was removed while it was in use; start again")
    return places


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("|".join(parts).encode()).digest()
