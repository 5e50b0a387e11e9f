"""Taking cases in: each file is read once, by what it holds, and what is kept is never mistaken."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedgraft.client import images, intake, kept
from fedgraft.client.decoding import MOST
from fedgraft.client.facts import facts_of, reason_of
from fedgraft.client.images import CaseReader, Reading
from fedgraft.client.intake import Intake
from fedgraft.client.limits import Limits
from fedgraft.client.manifest import Case
from fedgraft.client.picture import Mark, Picture
from fedgraft.client.store import Store
from fedgraft.client.transforms import resize
from fedgraft.common.backbone import InputSpec
from fedgraft.common.schema_data import Dicom

SPEC = InputSpec(channels=3, size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic")
OPENED: list[str] = []


def remember(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


sys.addaudithook(remember)  # there is no way to take one back


class Counter:
    """A `Progress` that adds up."""

    def __init__(self) -> None:
        self.cases = 0

    def __call__(self, cases: int) -> None:
        self.cases += cases


@pytest.fixture
def cohort(tmp_path: Path) -> list[Case]:
    """Eight pictures (number 4 in colour), two pages of a stack, and three rows of an array."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cohort"
    folder.mkdir()
    found = []
    for number in range(8):
        shape = (20, 24, 3) if number == 4 else (20, 24)
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(folder / f"{number}.png")
        found.append(case(folder / f"{number}.png"))
    first, second = (Image.fromarray(rng.integers(256, size=(9, 9), dtype=np.uint8)) for _ in range(2))
    first.save(folder / "stack.tif", save_all=True, append_images=[second])
    np.savez(folder / "scans.npz", images=rng.integers(256, size=(3, 8, 8), dtype=np.uint8))
    pages = [case(folder / "stack.tif", row) for row in (1, 0)]
    return [*found, *pages, *(case(f"{folder / 'scans.npz'}::images", row) for row in range(3))]


def case(path: Path | str, row: int | None = None) -> Case:
    return Case(str(path), "x", "p", row)


Taker = Callable[..., Intake]


@pytest.fixture
def start(tmp_path: Path, reading: Reading) -> Taker:
    """A start of a site: nothing is in memory but what the folder ``kept`` gives."""

    def started(spec: InputSpec = SPEC, workers: int = 0, **changes: Any) -> Intake:
        values: dict[str, Any] = {
            "reading": reading,
            "store": Store(tmp_path / "kept"),
            "refuse_burned_in": True,
            "progress": Counter(),
            **changes,
        }
        return Intake(spec=spec, workers=workers, **values)

    return started


def verdicts(taken: Intake, cases: Sequence[Case]) -> list[str | None]:
    return [reason_of(number) for number in taken.facts(cases)["reason"]]


def decoded(taken: Intake) -> int:
    """How many cases it decoded."""
    assert isinstance(taken.progress, Counter)
    return taken.progress.cases


def spoil(cases: Sequence[Case]) -> None:
    """Make every file undecodable, with its size and time as they were."""
    for path in {Path(images.file_of(some)) for some in cases}:
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(path: str, seconds: int) -> None:
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


def rows(folder: Path) -> dict[str, int]:
    """Bytes of what is kept, by kind of rows."""
    return {str(file.parent.name): file.stat().st_size for file in folder.rglob("rows.bin")}


@pytest.mark.parametrize("workers", [0, 2])
def test_facts_and_images_are_those_of_the_files(
    cohort: list[Case], start: Taker, read_case: CaseReader, workers: int
) -> None:
    taken = start(workers=workers)
    assert taken.facts(cohort).tolist() == [facts_of(read_case(some)).item() for some in cohort]
    for some, image in zip(cohort, taken.images(cohort), strict=True):
        expected = resize(read_case(some).pixels, SPEC)
        assert image.shape == expected.shape
        np.testing.assert_allclose(image, expected, atol=1e-6 if images.is_row(some) else 0.51 / MOST)
    assert decoded(taken) == 13


def test_a_second_start_reads_no_file(cohort: list[Case], start: Taker) -> None:
    """Of an array's file only when its pixels are wanted: they are not kept a second time."""
    first = start()
    facts, before = first.facts(cohort), first.images(cohort)
    spoil(cohort[:10])
    OPENED.clear()
    second = start()
    assert np.array_equal(second.facts(cohort), facts)
    assert not [path for path in OPENED if "cohort" in Path(path).parts]
    assert all(np.array_equal(one, two) for one, two in zip(second.images(cohort), before, strict=True))
    assert {Path(path).name for path in OPENED if "cohort" in Path(path).parts} == {"scans.npz"}
    assert decoded(second) == 0


def test_a_second_start_does_not_read_what_can_not_be_used_either(cohort: list[Case], start: Taker) -> None:
    Path(cohort[2].path).write_bytes(b"nothing")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(cohort[3].path)
    wrong = [*cohort, case(images.file_of(cohort[8]), 7), case(cohort[12].path, 9)]
    expected = [None] * 2 + ["damaged", "blank"] + [None] * 9 + ["no-frame", "no-row"]
    assert verdicts(start(), wrong) == expected
    spoil(wrong)
    OPENED.clear()
    again = start()
    assert verdicts(again, wrong) == expected
    assert not [path for path in OPENED if "cohort" in Path(path).parts]
    assert decoded(again) == 0


def test_a_missing_file_is_looked_for_on_each_start(cohort: list[Case], start: Taker) -> None:
    held = Path(cohort[0].path).read_bytes()
    Path(cohort[0].path).unlink()
    first = start()
    assert verdicts(first, cohort)[:2] == ["missing", None]
    assert verdicts(first, cohort)[:2] == ["missing", None]
    assert decoded(first) == 12
    assert verdicts(start(), cohort[:1]) == ["missing"]
    Path(cohort[0].path).write_bytes(held)
    second = start()
    assert verdicts(second, cohort) == [None] * 13
    assert decoded(second) == 1


def test_a_cohort_of_missing_files_is_missing(start: Taker) -> None:
    assert verdicts(start(), [case("/none/a.png"), case("/none/a.npz::x", 3)]) == ["missing", "missing"]
    assert verdicts(start(), []) == []


def test_a_file_that_goes_while_it_is_read_is_missing_and_not_kept_as_such(
    cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Path(cohort[0].path).read_bytes()
    stamp_of = intake.stamp_of

    def stamp_and_remove(path: Path) -> bytes | None:
        stamp = stamp_of(path)
        if str(path) == cohort[0].path:
            path.unlink()
        return stamp

    monkeypatch.setattr(intake, "stamp_of", stamp_and_remove)
    taken = start()
    assert [verdicts(taken, cohort)[0] for _ in range(2)] == ["missing", "missing"]
    monkeypatch.undo()
    Path(cohort[0].path).write_bytes(held)
    assert verdicts(start(), cohort[:1]) == [None]


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
    assert verdicts(third, moved) == [None] * 13
    assert decoded(third) == 0


def keys(taken: Intake, cases: Sequence[Case]) -> list[bytes]:
    taken.facts(cases)
    return [taken.key(some) for some in cases]


def test_only_a_changed_file_is_read_again(cohort: list[Case], start: Taker) -> None:
    before = keys(start(), cohort)
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)).save(cohort[3].path)
    touch(cohort[5].path, 1)
    second = start()
    after = keys(second, cohort)
    assert [place for place in range(13) if before[place] != after[place]] == [3]
    assert decoded(second) == 2, "a file that was touched is read, and found to be the same"


def test_the_pages_of_a_file_that_changed_are_read_again(cohort: list[Case], start: Taker) -> None:
    before = start().facts(cohort)
    first, second = (Image.fromarray(np.full((9, 9), n, np.uint8) + np.eye(9, dtype=np.uint8)) for n in (1, 2))
    first.save(cohort[8].path, save_all=True, append_images=[second])
    after = start().facts(cohort)
    assert np.flatnonzero(before != after).tolist() == [8, 9]


def test_a_key_does_not_change_with_order_folder_label_or_patient(
    cohort: list[Case], start: Taker, tmp_path: Path
) -> None:
    before = keys(start(), cohort)
    assert keys(start(store=Store(None)), cohort[::-1]) == before[::-1]
    shutil.copytree(tmp_path / "cohort", tmp_path / "copy")
    copied = [
        Case(some.path.replace("/cohort/", "/copy/"), "y", "q", some.row, "g", "val", (("sex", "F"),))
        for some in cohort
    ]
    assert keys(start(store=Store(None)), copied) == before
    assert len(set(before)) == 13
    assert {len(key) for key in before} == {32}


def test_a_key_changes_with_everything_that_shapes_the_pixels(
    cohort: list[Case], start: Taker, reading: Reading
) -> None:
    dicom = reading.dicom
    specs = [SPEC, replace(SPEC, size=17), replace(SPEC, interpolation="bilinear"), replace(SPEC, channels=1)]
    sections = [
        replace(dicom, window="lung"),
        replace(dicom, choice=1),
        replace(dicom, frames="first"),
        replace(dicom, frames=0),
        replace(dicom, slices=5),
        replace(dicom, neighbours=True),
    ]
    starts = [start(spec=spec) for spec in specs]
    starts += [start(reading=replace(reading, dicom=section)) for section in sections]
    found = [key for taken in starts for key in keys(taken, [cohort[4], cohort[10]])]
    assert len(set(found)) == 2 * len(starts) == 20
    assert all(decoded(taken) == (2 if place > 3 or place == 0 else 1) for place, taken in enumerate(starts))


def test_a_key_does_not_change_with_what_is_applied_later(cohort: list[Case], start: Taker, reading: Reading) -> None:
    """The backbone's mean and deviation, the site's limits and what it refuses."""
    first, *others = (
        start(),
        start(spec=replace(SPEC, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))),
        start(reading=replace(reading, limits=Limits(seconds=5))),
        start(refuse_burned_in=False),
    )
    before = keys(first, cohort)
    assert all(keys(taken, cohort) == before for taken in others)


def test_another_backbone_of_the_same_input_decodes_nothing(cohort: list[Case], start: Taker) -> None:
    start().facts(cohort)
    spoil(cohort)
    other = start(spec=replace(SPEC, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)))
    assert verdicts(other, cohort) == [None] * 13
    assert decoded(other) == 0


def test_another_size_decodes_files_again_but_not_those_that_can_not_be_used(cohort: list[Case], start: Taker) -> None:
    Path(cohort[2].path).write_bytes(b"nothing")
    before = start().facts(cohort)
    larger = start(spec=replace(SPEC, size=24))
    assert np.array_equal(larger.facts(cohort), before)
    assert decoded(larger) == 9
    assert larger.images(cohort[:1])[0].shape == (1, 24, 24)
    assert decoded(start(spec=replace(SPEC, size=24))) == 0


def test_other_limits_look_again_and_decide_anew(cohort: list[Case], start: Taker, reading: Reading) -> None:
    assert verdicts(start(), cohort) == [None] * 13
    strict = start(reading=replace(reading, limits=Limits(pixels=100)))
    assert verdicts(strict, cohort) == ["too-large"] * 8 + [None] * 5
    assert verdicts(start(), cohort) == [None] * 13


def test_an_interrupted_intake_goes_on_where_it_stopped(
    cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every four cases are written: three rows and 0.png, then 1 to 4; 5 to 7 and the two pages are lost."""
    monkeypatch.setattr(intake, "_AT_ONCE", 4)
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


def assert_same(one: Intake, other: Intake, cases: Sequence[Case]) -> None:
    assert np.array_equal(one.facts(cases), other.facts(cases))
    assert all(np.array_equal(*pair) for pair in zip(one.images(cases), other.images(cases), strict=True))


@pytest.mark.parametrize("write", range(8))
@pytest.mark.parametrize("part", [0, 0.4, 1])
def test_a_half_written_store_is_never_used(
    cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch, write: int, part: float
) -> None:
    """Rows and their index, of grey and colour pixels, facts and digests: the process ends in the midst of one."""
    append, written = kept._append, []

    def end_at(file: Path, at: int, content: bytes) -> None:
        written.append(file)
        if len(written) == write + 1:
            append(file, at, content[: int(part * len(content))])
            raise KeyboardInterrupt
        append(file, at, content)

    monkeypatch.setattr(kept, "_append", end_at)
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
    copy = case(tmp_path / "cohort" / "copy.png")
    second = start()
    assert keys(second, [copy]) == keys(second, cohort[:1])
    after = rows(tmp_path / "kept")
    assert sorted(after[kind] - size for kind, size in before.items()) == [0, 0, 32]


def take_in(started: Taker, cases: Sequence[Case]) -> None:
    started().facts(cases)


@pytest.mark.timeout(60)
def test_two_processes_take_one_cohort_in(cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_AT_ONCE", 1)
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


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """DICOM files by what they say of themselves."""
    marks = {
        "a": Mark.BURNED_IN,
        "b": Mark.BURNED_IN_UNSTATED | Mark.PRIVATE,
        "c": Mark.NONE,
        "d": Mark.BURNED_IN | Mark.OVERLAY,
    }
    pixels = np.random.default_rng(0).random((4, 4), np.float32)

    def read(path: Path, dicom: Dicom, limits: Limits, row: int | None) -> Picture:
        return Picture(pixels, marks[path.stem])

    monkeypatch.setattr("fedgraft.client.dicom.read.read_dicom", read)
    for name in marks:
        (tmp_path / f"{name}.dcm").write_text(name)
    return [case(tmp_path / f"{name}.dcm") for name in marks]


def test_burned_in_annotation_is_refused_where_the_site_says_so(marked: list[Case], start: Taker) -> None:
    """The files are read once, whatever the site says later."""
    assert verdicts(start(), marked) == ["burned-in", None, None, "burned-in"]
    for path in marked:
        touch(path.path, 1)
    lenient = start(refuse_burned_in=False)
    assert verdicts(lenient, marked) == [None] * 4
    assert lenient.facts(marked)["marks"].tolist() == [1, 18, 0, 33]
    assert len(lenient.images(marked)) == 4
    assert verdicts(start(), marked) == ["burned-in", None, None, "burned-in"]


def test_grey_networks_see_grey(cohort: list[Case], start: Taker) -> None:
    taken = start(spec=replace(SPEC, channels=1))
    assert taken.facts(cohort)["planes"].tolist() == [1, 1, 1, 1, 3, *[1] * 8]
    assert {image.shape for image in taken.images(cohort)} == {(1, 16, 16)}
