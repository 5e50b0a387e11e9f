"""A folder of one series' files: order, neighbours, and what does not belong together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.read import frame_count, sources
from fedgraft.client.images.dicom.series import neighbours, slices_of, spread
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

Show = Callable[..., NDArray[np.float32]]
Place = Callable[..., Path]
AXIAL = [1, 0, 0, 0, 1, 0]
CORONAL = [1, 0, 0, 0, 0, -1]


def test_spread_by_hand() -> None:
    assert spread(10, 1) == (5,)
    assert spread(10, 2) == (2, 7)
    assert spread(9, 3) == (1, 4, 7)
    assert spread(2, 5) == (0, 1)
    assert spread(1, 1) == (0,)


def test_neighbours_by_hand() -> None:
    assert [neighbours(place, 3) for place in range(3)] == [(0, 0, 1), (0, 1, 2), (1, 2, 2)]
    assert neighbours(0, 1) == (0, 0, 0)


@pytest.fixture
def place(make: Callable[..., Dataset], save: Callable[..., Path]) -> Place:
    """``place("c", 30, **elements)``: a slice of pixels 30, 30 at 30 mm, in the file c of the series' folder."""

    def placed(name: str, value: int, **elements: Any) -> Path:
        standard: dict[str, Any] = {
            "SeriesInstanceUID": "1.2.3",
            "ImageOrientationPatient": AXIAL,
            "ImagePositionPatient": [0, 0, value],
        }
        stored = elements.pop("stored", np.full((1, 2), value, "u1"))
        return save(make(stored, **{**standard, **elements}), f"series/{name}.dcm").parent

    return placed


def test_slices_are_in_the_order_of_their_positions(place: Place, show: Show) -> None:
    """By name they would be 30, 10, 20, and by instance number 30, 20, 10."""
    for name, value, number in (("a", 30, 1), ("b", 10, 3), ("c", 20, 2)):
        folder = place(name, value, InstanceNumber=number)
    (folder / "notes.txt").write_text("no slice")
    (folder / ".secret").write_text("no slice")
    assert [one.path.stem for one in slices_of(folder, Limits())] == ["b", "c", "a"]
    assert frame_count(folder, Limits()) == 3
    shown = [show(folder, plan={"slices": 3}, row=row)[0, 0] * 255 for row in range(3)]
    assert_array_equal(np.round(shown), [10, 20, 30])
    assert round(float(show(folder)[0, 0] * 255)) == 20  # the middle one


def test_sources_are_the_slices_that_are_read(place: Place) -> None:
    for name, value in (("a", 30), ("b", 10), ("c", 20), ("d", 40)):
        folder = place(name, value)

    def read(row: int | None, slices: int, neighbours: bool = False) -> list[str]:
        dicom = DicomSection("file", 0, "middle", slices, neighbours)
        return [one.path.stem for one in sources(folder, dicom, Limits(), row)]

    assert (read(None, 1), read(0, 2), read(1, 2)) == (["a"], ["c"], ["d"])
    assert read(None, 1, neighbours=True) == ["c", "a", "d"]
    assert read(3, 4, neighbours=True) == ["a", "d"], "at an edge there is one neighbour"
    with pytest.raises(CaseError, match="no-frame"):
        read(2, 2)


def test_positions_count_along_the_normal(place: Place) -> None:
    for name, y in (("a", 5), ("b", -5)):
        folder = place(name, 0, ImageOrientationPatient=CORONAL, ImagePositionPatient=[0, y, 0])
    assert [one.path.stem for one in slices_of(folder, Limits())] == ["b", "a"]


def test_without_positions_instance_numbers_count(place: Place) -> None:
    for name, number in (("a", 12), ("b", 9)):
        folder = place(name, 0, ImagePositionPatient=None, InstanceNumber=number)
    assert [one.path.stem for one in slices_of(folder, Limits())] == ["b", "a"]


def test_neighbours_become_channels(place: Place, show: Show) -> None:
    for name, value in (("a", 10), ("b", 20), ("c", 40)):
        folder = place(name, value)
    plan = {"slices": 3, "neighbours": True}
    channels = [np.round(show(folder, plan=plan, row=row)[0, 0] * 255).tolist() for row in range(3)]
    assert channels == [[10, 10, 20], [10, 20, 40], [20, 40, 40]]


def test_frames_have_neighbours_too(show: Show) -> None:
    found = show(
        np.array([[10, 11], [20, 21], [40, 41]], "u1"), plan={"neighbours": True}, Rows=1, NumberOfFrames=3, row=1
    )
    assert_array_equal(np.round(found * 255), [[[10, 20, 40], [11, 21, 41]]])


def test_series_that_are_refused(tmp_path: Path, place: Place, refused: Callable[..., str]) -> None:
    mixed = "mixed-series: "
    folder = place("a", 10)
    assert refused(folder, row=1) == "no-frame: the file has no such frame, or the series no such slice"
    place("b", 10)
    assert refused(folder) == mixed + "two slices lie at one place, or have one instance number"
    place("b", 20, SeriesInstanceUID="1.2.4")
    assert refused(folder) == mixed + "the folder holds files of more than one series"
    place("b", 20, stored=np.zeros((2, 2), "u1"))
    assert refused(folder) == mixed + "the slices of the series differ in size or photometric interpretation"
    place("b", 20, ImageOrientationPatient=CORONAL)
    assert refused(folder) == mixed + "the slices of the series differ in orientation"
    place("b", 20, ImagePositionPatient=None)
    assert refused(folder) == mixed + "a slice states neither its position nor its instance number"
    place("b", 20, Rows=1, NumberOfFrames=2, stored=np.zeros((2, 2), "u1"))
    assert refused(folder) == mixed + "a file of the series has several frames; name it by its own path"
    assert refused(folder, limits={"frames": 1}) == "too-large: the series has more than 1 files"
    (tmp_path / "empty-secret").mkdir()
    assert refused(tmp_path / "empty-secret") == "no-pixels: the folder holds no DICOM image"


def test_a_damaged_slice_is_not_left_out(place: Place, refused: Callable[..., str]) -> None:
    folder = place("a", 10)
    whole = (folder / "a.dcm").read_bytes()
    (folder / "b.dcm").write_bytes(whole[:200])
    assert refused(folder).startswith("damaged: ")


def test_neighbours_of_colour(refused: Callable[..., str]) -> None:
    assert refused(np.zeros((1, 2, 3), "u1"), plan={"neighbours": True}) == (
        "unsupported: dicom.neighbours needs grey slices; these have colour"
    )
