"""What an ingest stores: interrupted, damaged, moved or shared, every row is whole and computed once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.images import ingest, reader
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.site import row_store
from fedgraft.client.site.row_store import Store

Taker = Callable[..., ImageIngest]


def decoded(taken: ImageIngest) -> int:
    """How many cases it decoded."""
    return taken.progress.cases  # type: ignore[attr-defined, no-any-return]  # conftest's


def keys(taken: ImageIngest, cases: Sequence[Case]) -> list[bytes]:
    taken.facts(cases)
    return [taken.key(some) for some in cases]


def spoil(cases: Sequence[Case]) -> None:
    """Make every file undecodable, with its size and time as they were."""
    for path in {Path(reader.file_of(some)) for some in cases}:
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rows(folder: Path) -> dict[str, int]:
    """Bytes of what is kept, by kind of rows."""
    return {str(file.parent.name): file.stat().st_size for file in folder.rglob("rows.bin")}


def test_a_moved_or_renamed_cohort_adds_no_row(cohort: list[Case], start: Taker, tmp_path: Path) -> None:
    """Each file is read again, for its digest, and nothing more is kept but that its new name is known."""
    before = keys(start(), cohort)
    sizes = rows(tmp_path / "kept")
    (tmp_path / "cohort").rename(tmp_path / "moved")
    (tmp_path / "moved" / "0.png").rename(tmp_path / "moved" / "first.png")
    moved = [
        replace(some, path=some.path.replace("/cohort/", "/moved/").replace("/0.png", "/first.png")) for some in cohort
    ]
    assert keys(start(), moved) == before
    grown = {kind: size - sizes[kind] for kind, size in rows(tmp_path / "kept").items() if size != sizes[kind]}
    assert list(grown.values()) == [10 * 32]
    spoil(moved)
    third = start()
    assert not third.facts(moved)["reason"].any()
    assert decoded(third) == 0


def test_an_interrupted_ingest_goes_on_where_it_stopped(
    cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every four cases are written: three rows and 0.png, then 1 to 4; 5 to 7 and the two pages are lost."""
    monkeypatch.setattr(ingest, "_AT_ONCE", 4)
    seen: list[int] = []

    def interrupt(cases: int) -> None:
        seen.append(cases)
        if sum(seen) == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(progress=interrupt).facts(cohort)
    second = start()
    second.facts(cohort)
    assert decoded(second) == 5
    assert_same(second, start(store=Store(None)), cohort)


def assert_same(one: ImageIngest, other: ImageIngest, cases: Sequence[Case]) -> None:
    assert np.array_equal(one.facts(cases), other.facts(cases))
    assert all(np.array_equal(*pair) for pair in zip(one.images(cases), other.images(cases), strict=True))


@pytest.mark.parametrize("write", range(8))
@pytest.mark.parametrize("part", [0, 0.4, 1])
def test_a_half_written_store_is_never_used(
    cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch, write: int, part: float
) -> None:
    """Rows and their index, of grey and colour pixels, facts and digests: the process ends in the midst of one."""
    append, written = row_store._append, []

    def end_at(file: Path, at: int, content: bytes) -> None:
        written.append(file)
        if len(written) == write + 1:
            append(file, at, content[: int(part * len(content))])
            raise KeyboardInterrupt
        append(file, at, content)

    monkeypatch.setattr(row_store, "_append", end_at)
    with pytest.raises(KeyboardInterrupt):
        start().facts(cohort)
    monkeypatch.undo()
    assert_same(start(), start(store=Store(None)), cohort)
    assert_same(start(), start(store=Store(None)), cohort)


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("damage", [lambda f: os.truncate(f, 9), Path.unlink, lambda f: shutil.rmtree(f.parent)])
def test_a_store_that_was_damaged_is_filled_again(
    cohort: list[Case], start: Taker, tmp_path: Path, kind: int, damage: Callable[[Path], None]
) -> None:
    start().facts(cohort)
    files = sorted((tmp_path / "kept").rglob("rows.bin"))
    assert len(files) == 4
    damage(files[kind])
    assert_same(start(), start(store=Store(None)), cohort)
    again = start()
    assert_same(again, start(store=Store(None)), cohort)
    assert decoded(again) == 0


def test_equal_files_are_kept_once(cohort: list[Case], start: Taker, tmp_path: Path) -> None:
    start().facts(cohort[:1])
    before = rows(tmp_path / "kept")
    shutil.copy(cohort[0].path, tmp_path / "cohort" / "copy.png")
    copy = replace(cohort[0], path=str(tmp_path / "cohort" / "copy.png"))
    second = start()
    assert keys(second, [copy]) == keys(second, cohort[:1])
    after = rows(tmp_path / "kept")
    assert sorted(after[kind] - size for kind, size in before.items()) == [0, 0, 32]


def take_in(started: Taker, cases: Sequence[Case]) -> None:
    started().facts(cases)


@pytest.mark.timeout(60)
def test_two_processes_take_one_cohort_in(cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_AT_ONCE", 1)
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=take_in, args=(start, cases)) for cases in (cohort, cohort[::-1])]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    third = start()
    assert_same(third, start(store=Store(None)), cohort)
    assert decoded(third) == 0
