"""How many frames a file has, or slices a series: counted once, and remembered until the file changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedgraft.client.content import stamp_of
from fedgraft.client.images import Reading
from fedgraft.client.kept import ABSENT
from fedgraft.client.manifest import Case
from fedgraft.client.store import Store
from fedgraft.client.unusable import PASSING, CaseError

_UNKNOWN = 0  # it can't be counted; reading it says why


def expanded(cases: Sequence[Case], reading: Reading, store: Store) -> tuple[Case, ...]:
    """The cases of a manifest's lines: a series or a file of many frames may be several.

    See `fedgraft.client.dicom.expand`, which says when.
    """
    if not _may_be_several(cases, reading):
        return tuple(cases)
    from fedgraft.client.dicom.expand import expand
    from fedgraft.client.dicom.read import frame_count

    space = hashlib.sha256(f"frames-2|{reading.limits}".encode()).hexdigest()  # other limits may let it be counted
    kept = store.kind(space, (4,), "uint8")
    fresh: dict[bytes, int] = {}

    def count(path: Path) -> int:
        stamp = stamp_of(path)
        if stamp is None:
            raise CaseError("missing")
        (place,) = kept.places([stamp])
        if place != ABSENT:
            found = int(kept.rows().numpy()[place].copy().view("<u4")[0])
        else:
            try:
                found = frame_count(path, reading.limits)
            except CaseError as error:
                if error.reason in PASSING:
                    raise
                found = _UNKNOWN
            fresh[stamp] = found
        if found == _UNKNOWN:
            raise CaseError("damaged")
        return found

    found = expand(cases, reading.dicom, count)
    if fresh:
        kept.add(list(fresh), np.array(list(fresh.values()), "<u4").view(np.uint8).reshape(-1, 4))
    return found


def _may_be_several(cases: Sequence[Case], reading: Reading) -> bool:
    return reading.dicom.frames == "all" or any(case.row is None and Path(case.path).is_dir() for case in cases)
