"""A sentence on files that lie at several simulated hospitals: what one trains on would be what another tests on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from fedgraft.client.cohort.case import Case

_ENDS = 65_536
"""Bytes at each end of a file by which most that differ are told apart."""

Place = tuple[str, Case]


def copy_sentences(sites: Mapping[str, Sequence[Case]]) -> list[str]:
    """A sentence if files of equal content lie at several sites, whatever they are called there.

    A site itself refuses copies across its own splits; only a simulation sees all sites' files.
    """
    places = ((name, case) for name, cases in sites.items() for case in cases if _is_a_file(case))
    shared = [group for group in _equal(places) if len({name for name, _ in group}) > 1]
    if not shared:
        return []
    first = sorted({name for name, _ in shared[0]})
    other = sum(len({case.label for _, case in group}) > 1 for group in shared)
    labels = f", {other} of them with another label there" if other else ""
    return [
        f"{len(shared)} file(s) lie at more than one hospital (as at {' and '.join(first[:2])}) under other names"
        f"{labels}: what one hospital trains on another tests on; keep each at one hospital"
    ]


def _is_a_file(case: Case) -> bool:
    return case.row is None and "::" not in case.path and not case.in_a_table


def _equal(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Groups of two or more with equal content; whole files are read only where size and both ends are equal."""
    groups = [list(places)]
    keys: tuple[Callable[[Path], object], ...] = (_size, _ends, _whole)
    for key in keys:
        groups = [some for group in groups for some in _split(group, key) if len(some) > 1]
    yield from groups


def _split(group: Sequence[Place], key: Callable[[Path], object]) -> list[list[Place]]:
    found: dict[object, list[Place]] = defaultdict(list)
    for place in group:
        try:
            found[key(Path(place[1].path))].append(place)
        except OSError:  # it is not there: the site says so
            continue
    return list(found.values())


def _size(path: Path) -> int:
    if not path.is_file():
        raise FileNotFoundError
    return path.stat().st_size


def _ends(path: Path) -> bytes:
    with path.open("rb") as stream:
        start = stream.read(_ENDS)
        stream.seek(max(path.stat().st_size - _ENDS, 0))
        return hashlib.sha256(start + stream.read()).digest()


def _whole(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
