"""Ingest cases: every file is decoded once, and its facts and its pixels at the network's size are kept.

Both are keyed by the file's content, not its name, and by everything that they depend on. Only complete rows count
(`fedgraft.client.site.row_store`), and they are added during the ingest: an interrupted one continues where it stopped.
The rows of an ``.npz`` are pixels already: of those, only facts are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import Progress
from fedgraft.client.cohort.quarantine import PASSING, USABLE, number_of, reason_of
from fedgraft.client.images.content import ContentIndex, stamp_of
from fedgraft.client.images.decode_pool import DecodeReply, DecodeRequest, decoded, look
from fedgraft.client.images.facts import FACTS, refusal
from fedgraft.client.images.grey_levels import kept_under
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.client.images.pixels import DTYPE, decode, kept_planes, kept_shape
from fedgraft.client.images.raster import FORMATS
from fedgraft.client.images.reader import CaseReader, Reading, by_file, file_of, is_row
from fedgraft.client.images.transforms import RESIZING, resize
from fedgraft.client.site.row_store import ABSENT, RowStore, Store
from fedgraft.common.errors import DataError
from fedgraft.common.installed import version_of
from fedgraft.common.interfaces.inputs import ImageSpec

_AT_ONCE = 256  # cases between two writes
_IN_ONE_ORDER = 32  # cases of one file per request to a process


@dataclass
class ImageIngest:
    """Decodes and stores the images of one site, as one plan reads them.

    Args:
        reading: the plan's ``dicom`` section and the site's limits.
        spec: the input of the backbone; pixels are stored at its size.
        store: store of facts and pixels.
        workers: processes that decode files; rows of arrays never need any.
        refuse_burned_in: whether images with Burned In Annotation = YES can't be used.
        progress: called with the number of cases that were decoded, as it happens.
    """

    reading: Reading
    spec: ImageSpec
    store: Store
    workers: int
    refuse_burned_in: bool
    progress: Progress
    _stamps: dict[str, bytes | None] = field(default_factory=dict)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _facts: dict[Case, NDArray[np.void]] = field(default_factory=dict)

    @cached_property
    def _reader(self) -> CaseReader:
        return CaseReader(self.reading)

    def facts(self, cases: Sequence[Case]) -> NDArray[np.void]:
        """The facts of cases, ``(N,)`` of `FACTS`; decodes those that are new. A case with a ``reason`` can't be
        used."""
        fresh = [case for case in dict.fromkeys(cases) if case not in self._facts]
        if fresh:
            self._look_at(fresh)
        found = np.array([self._facts[case] for case in cases], FACTS)
        if self.refuse_burned_in:
            burned = (found["marks"] & DeidentificationFlag.BURNED_IN != 0) & (found["reason"] == USABLE)
            found["reason"][burned] = number_of("burned-in")
        return found

    def key(self, case: Case) -> bytes:
        """A digest (32 bytes) of a case's content and of everything its pixels depend on. Needs its `facts` first."""
        return _digest("pixels-3", self._within(case), self._shaping)

    def images(self, cases: Sequence[Case]) -> list[Tensor]:
        """The images of usable cases, ``(1 or 3, S, S)`` float32 in [0, 1] each. Needs their `facts` first."""
        return [self._image(case) for case in cases]

    def _image(self, case: Case) -> Tensor:
        if is_row(case):
            return resize(self._reader(case).pixels, self.spec)
        kept = self._kept_pixels(self._planes(case))
        (place,) = kept.places([self.key(case)])
        if place == ABSENT:  # -1 would index another case's pixels
            raise DataError("what was kept of the cohort's cases was removed while it was in use; start again")
        return decode(kept.rows().numpy()[place])

    def _look_at(self, cases: Sequence[Case]) -> None:
        """Load the facts of cases that are kept from an earlier start, and decode the others."""
        self._know_contents(cases)
        self._remember([case for case in cases if file_of(case) in self._contents])
        self._facts |= {case: refusal("missing") for case in cases if self._stamps[file_of(case)] is None}
        for case in self._without_pixels([case for case in cases if case in self._facts]):
            del self._facts[case]
        self._take_in([case for case in cases if case not in self._facts])

    def _know_contents(self, cases: Sequence[Case]) -> None:
        """Stamp files that are new in this process, and look up the digests of those known from an earlier start."""
        files = sorted({file_of(case) for case in cases} - set(self._stamps))
        stamps = {file: stamp_of(Path(file)) for file in files}
        self._stamps |= stamps
        there = {file: stamp for file, stamp in stamps.items() if stamp is not None}
        known = self._index.known(list(there.values()))
        self._contents |= {file: content for file, content in zip(there, known, strict=True) if content is not None}

    def _remember(self, cases: Sequence[Case]) -> None:
        """Load the facts of cases that are kept."""
        places = self._kept_facts.places([self._facts_key(case) for case in cases])
        there = places != ABSENT
        rows = np.ascontiguousarray(self._kept_facts.rows().numpy()[places[there]]).view(FACTS).reshape(-1)
        self._facts |= dict(zip((case for case, one in zip(cases, there, strict=True) if one), rows, strict=True))

    def _without_pixels(self, cases: Sequence[Case]) -> set[Case]:
        """The usable images whose pixels are not kept at this size, without rows of arrays, which need none."""
        usable = [case for case in cases if self._facts[case]["reason"] == USABLE and not is_row(case)]
        found = set[Case]()
        for planes in (1, 3):
            some = [case for case in usable if self._planes(case) == planes]
            places = self._kept_pixels(planes).places([self.key(case) for case in some])
            found |= {case for case, place in zip(some, places, strict=True) if place == ABSENT}
        return found

    def _take_in(self, cases: Sequence[Case]) -> None:
        """Decode cases, and keep the results after every `_AT_ONCE` of them."""
        rows = [case for case in cases if is_row(case)]
        files = [case for case in cases if not is_row(case)]
        held: list[tuple[DecodeRequest, DecodeReply]] = []
        requests = [
            DecodeRequest(file, tuple(files[place] for place in places[start : start + _IN_ONE_ORDER]))
            for file, places in by_file(files)
            for start in range(0, len(places), _IN_ONE_ORDER)
        ]
        whole = [DecodeRequest(file, tuple(rows[place] for place in places)) for file, places in by_file(rows)]
        seen = ((request, look(request, self._reader)) for request in whole)
        for request, answer in chain(seen, decoded(requests, self.reading, self.spec, self.workers)):
            held.append((request, answer))
            self.progress(len(request.cases))
            if sum(len(request.cases) for request, _ in held) >= _AT_ONCE:
                self._keep(held)
                held = []
        self._keep(held)

    def _keep(self, held: Sequence[tuple[DecodeRequest, DecodeReply]]) -> None:
        """Keep results: first pixels, then facts, and last the file's stamp, so that a known file is complete."""
        # a file without a digest has only passing reasons
        everything = [pair for request, answer in held for pair in zip(request.cases, answer.cases, strict=True)]
        self._facts |= {case: one.facts for case, one in everything}
        held = [(request, answer) for request, answer in held if answer.content]
        if not held:
            return
        self._contents |= {request.file: answer.content for request, answer in held}
        taken = [(case, one) for case, one in everything if reason_of(int(one.facts["reason"])) not in PASSING]
        for planes in (1, 3):
            some = [(case, one.pixels) for case, one in taken if one.pixels is not None and len(one.pixels) == planes]
            if some:
                self._kept_pixels(planes).add([self.key(case) for case, _ in some], np.stack([p for _, p in some]))
        if taken:
            rows = np.array([one.facts for _, one in taken], FACTS).view(np.uint8).reshape(-1, FACTS.itemsize)
            self._kept_facts.add([self._facts_key(case) for case, _ in taken], rows)
        stamps = {self._stamps[request.file] or b"": answer.content for request, answer in held}
        self._index.add(list(stamps), list(stamps.values()))

    def _planes(self, case: Case) -> int:
        """The number of planes that are kept of a case."""
        return kept_planes(int(self._facts[case]["planes"]), self.spec)

    def _within(self, case: Case) -> str:
        """A case's identity by content: digest of the file, place in it, and its reader, which the file's name
        selects."""
        suffix = Path(file_of(case)).suffix.lower()
        reader = suffix if suffix in FORMATS else "rows" if is_row(case) else "dicom"
        content, array = self._contents[file_of(case)].hex(), case.path.partition("::")[2]
        return f"{content}|{array}|{case.row}|{reader}{kept_under(case)}"

    def _facts_key(self, case: Case) -> bytes:
        return _digest("facts-3", self._within(case), self._look)

    @cached_property
    def _look(self) -> str:
        """Everything else that facts depend on: how files are read, and which decoders are installed."""
        return json.dumps([asdict(self.reading.dicom), find_spec("libjpeg") is not None, version_of("fedgraft")])

    @cached_property
    def _shaping(self) -> str:
        """Everything else that kept pixels depend on."""
        size = (self.spec.size, self.spec.interpolation, self.spec.channels == 1, RESIZING)
        return json.dumps([asdict(self.reading.dicom), size])

    @cached_property
    def _index(self) -> ContentIndex:
        return ContentIndex(self.store)

    @property
    def _kept_facts(self) -> RowStore:
        return self.store.kind(_digest("facts-1", str(FACTS.descr)).hex(), (FACTS.itemsize,), "uint8")

    def _kept_pixels(self, planes: int) -> RowStore:
        shape = kept_shape(planes, self.spec)
        return self.store.kind(_digest("pixels-1", str(shape)).hex(), shape, DTYPE)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("|".join(parts).encode()).digest()
