"""Taking cases in: each file is read once, by what it holds, and what is kept is never mistaken."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import reason_of
from fedgraft.client.images import content as file_content
from fedgraft.client.images import ingest, reader
from fedgraft.client.images.facts import facts_of
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.pixels import MOST
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.images.transforms import resize
from fedgraft.client.site.limits import Limits
from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import DataError

Taker = Callable[..., ImageIngest]


def verdicts(taken: ImageIngest, cases: Sequence[Case]) -> list[str | None]:
    return [reason_of(number) for number in taken.facts(cases)["reason"]]


def decoded(taken: ImageIngest) -> int:
    """How many cases it decoded."""
    return taken.progress.cases  # type: ignore[attr-defined, no-any-return]  # conftest's


def spoil(cases: Sequence[Case]) -> None:
    """Make every file undecodable, with its size and time as they were."""
    for path in {Path(reader.file_of(some)) for some in cases}:
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(path: str, seconds: int) -> None:
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


@pytest.mark.parametrize("workers", [0, 2])
def test_facts_and_images_are_those_of_the_files(
    cohort: list[Case], start: Taker, read_case: CaseReader, workers: int
) -> None:
    taken = start(workers=workers)
    facts = taken.facts(cohort)
    assert all(one == facts_of(read_case(some)) for one, some in zip(facts, cohort, strict=True))
    for some, image in zip(cohort, taken.images(cohort), strict=True):
        expected = resize(read_case(some).pixels, taken.spec)
        assert image.shape == expected.shape
        np.testing.assert_allclose(image, expected, atol=1e-6 if reader.is_row(some) else 0.51 / MOST)
    assert decoded(taken) == 13


def test_a_second_start_decodes_nothing(cohort: list[Case], start: Taker) -> None:
    """Rows of an array are pixels already: their file is read again when they are wanted."""
    first = start()
    facts, before = first.facts(cohort), first.images(cohort)
    spoil(cohort[:10])
    second = start()
    assert np.array_equal(second.facts(cohort), facts)
    assert all(np.array_equal(one, two) for one, two in zip(second.images(cohort), before, strict=True))
    assert decoded(second) == 0


def test_a_second_start_does_not_decode_what_can_not_be_used_either(cohort: list[Case], start: Taker) -> None:
    Path(cohort[2].path).write_bytes(b"nothing")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(cohort[3].path)
    wrong = [*cohort, replace(cohort[8], row=7), replace(cohort[12], row=9)]
    expected = [None] * 2 + ["damaged", "blank"] + [None] * 9 + ["no-frame", "no-row"]
    assert verdicts(start(), wrong) == expected
    spoil(wrong)
    again = start()
    assert verdicts(again, wrong) == expected
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
    assert verdicts(start(), [Case("/none/a.png", "x", "p"), Case("/none/a.npz::x", "x", "p", 3)]) == [
        "missing",
        "missing",
    ]
    assert verdicts(start(), []) == []


def test_a_file_that_goes_while_it_is_read_is_missing_and_not_kept_as_such(
    cohort: list[Case], start: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Path(cohort[0].path).read_bytes()
    stamp_of = file_content.stamp_of

    def stamp_and_remove(path: Path) -> bytes | None:
        stamp = stamp_of(path)
        if str(path) == cohort[0].path:
            path.unlink()
        return stamp

    monkeypatch.setattr(ingest, "stamp_of", stamp_and_remove)
    taken = start()
    assert [verdicts(taken, cohort)[0] for _ in range(2)] == ["missing", "missing"]
    monkeypatch.undo()
    Path(cohort[0].path).write_bytes(held)
    assert verdicts(start(), cohort[:1]) == [None]


def keys(taken: ImageIngest, cases: Sequence[Case]) -> list[bytes]:
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
    dicom, spec = reading.dicom, start().spec
    specs = [spec, replace(spec, size=17), replace(spec, interpolation="bilinear"), replace(spec, channels=1)]
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
        start(spec=replace(start().spec, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))),
        start(reading=replace(reading, limits=Limits(seconds=5))),
        start(refuse_burned_in=False),
    )
    before = keys(first, cohort)
    assert all(keys(taken, cohort) == before for taken in others)


def test_another_backbone_of_the_same_input_decodes_nothing(cohort: list[Case], start: Taker) -> None:
    start().facts(cohort)
    spoil(cohort)
    other = start(spec=replace(start().spec, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)))
    assert verdicts(other, cohort) == [None] * 13
    assert decoded(other) == 0


def test_another_size_decodes_files_again_but_not_those_that_can_not_be_used(cohort: list[Case], start: Taker) -> None:
    Path(cohort[2].path).write_bytes(b"nothing")
    before = start().facts(cohort)
    larger = start(spec=replace(start().spec, size=24))
    assert np.array_equal(larger.facts(cohort), before)
    assert decoded(larger) == 9
    assert larger.images(cohort[:1])[0].shape == (1, 24, 24)
    assert decoded(start(spec=replace(start().spec, size=24))) == 0


def test_wider_limits_look_again_and_narrower_ones_keep_what_was_read(
    cohort: list[Case], start: Taker, reading: Reading
) -> None:
    """Limits are on what reading may cost: what has been read costs nothing more."""
    strict = start(reading=replace(reading, limits=Limits(pixels=100)))
    assert verdicts(strict, cohort) == ["too-large"] * 8 + [None] * 5
    assert verdicts(start(), cohort) == [None] * 13
    spoil(cohort)
    assert verdicts(start(reading=replace(reading, limits=Limits(pixels=100))), cohort) == [None] * 13


def test_an_absent_case_is_never_another_s_pixels(cohort: list[Case], start: Taker) -> None:
    """Known from an earlier start, at another size; and now it can't be read: `places` then says -1."""
    taken = start()
    assert verdicts(taken, cohort) == [None] * 13
    file = Path(cohort[0].path)
    file.chmod(0)
    if os.access(file, os.R_OK):  # root reads everything: take the file away behind its stamp
        content, status = file.read_bytes(), file.stat()
        file.write_bytes(b"\0" * len(content))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    other = start(spec=replace(taken.spec, size=24))
    found = verdicts(other, cohort)
    assert found[0] in ("missing", "damaged", "not-dicom") and found[1:] == [None] * 12
    with pytest.raises(DataError, match="was removed while it was in use; start again"):
        other.images(cohort[:1])


def test_a_name_chooses_the_reader_and_so_is_part_of_the_key(tmp_path: Path, start: Taker) -> None:
    picture = tmp_path / "c.dcm"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(picture, "PNG")
    assert verdicts(start(), [Case(str(picture), "x", "p")]) == ["not-dicom"]
    renamed = picture.rename(tmp_path / "c.png")
    assert verdicts(start(), [Case(str(renamed), "x", "p")]) == [None]


@pytest.fixture
def marked(tmp_path: Path) -> list[Case]:
    """DICOM files by what (0028,0301) Burned In Annotation is: YES, NO, not there, and YES in a file without pixels."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    for name, annotation in {"a": "YES", "b": "NO", "c": None, "d": "YES"}.items():
        dataset.pop("BurnedInAnnotation", None)
        if annotation is not None:
            dataset.BurnedInAnnotation = annotation
        if name == "d":
            del dataset.PixelData
        dataset.save_as(tmp_path / f"{name}.dcm")
    return [Case(str(tmp_path / f"{name}.dcm"), "x", "p") for name in "abcd"]


@pytest.mark.parametrize("workers", [0, 1])
def test_burned_in_annotation_is_refused_where_the_site_says_so(marked: list[Case], start: Taker, workers: int) -> None:
    """The files are read once, whatever the site says later."""
    assert verdicts(start(workers=workers), marked) == ["burned-in", None, None, "no-pixels"]
    spoil(marked)
    lenient = start(refuse_burned_in=False)
    assert verdicts(lenient, marked) == [None, None, None, "no-pixels"]
    said = [
        DeidentificationFlag(int(marks)) & (DeidentificationFlag.BURNED_IN | DeidentificationFlag.BURNED_IN_UNSTATED)
        for marks in lenient.facts(marked)["marks"]
    ]
    assert said[:3] == [
        DeidentificationFlag.BURNED_IN,
        DeidentificationFlag.NONE,
        DeidentificationFlag.BURNED_IN_UNSTATED,
    ]
    assert len(lenient.images(marked[:3])) == 3
    assert verdicts(start(), marked) == ["burned-in", None, None, "no-pixels"]
    assert decoded(lenient) == 0


def test_grey_networks_see_grey(cohort: list[Case], start: Taker) -> None:
    taken = start(spec=replace(start().spec, channels=1))
    assert taken.facts(cohort)["planes"].tolist() == [1, 1, 1, 1, 3, *[1] * 8]
    assert {image.shape for image in taken.images(cohort)} == {(1, 16, 16)}
