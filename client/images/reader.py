"""Read a case to float pixels, from DICOM, PNG, JPEG, TIFF, BMP, or a row of an array in an ``.npz``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.grey_levels import levels_of
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.images.raster import FORMATS, UNREAD, array_to_unit, read_array, read_picture
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection


@dataclass(frozen=True)
class Reading:
    """How files are read: the plan's ``dicom`` section, and the site's limits."""

    dicom: DicomSection
    limits: Limits


def file_of(case: Case) -> str:
    """The file (or a series' folder) that holds a case."""
    return case.path.partition("::")[0]


def is_row(case: Case) -> bool:
    """Whether the case is one row of an array, and not a file to decode."""
    return file_of(case).lower().endswith(".npz")


class CaseReader:
    """Reads cases; keeps the array of the last ``.npz``, so that the file is not read again for each row.

    Args:
        threads: how many CPUs a decoder may use for one image.
    """

    def __init__(self, reading: Reading, threads: int = 1) -> None:
        self._reading, self._threads = reading, threads
        self._file = ""
        self._arrays: dict[str, NDArray[np.generic]] = {}

    def __call__(self, case: Case) -> DecodedImage:
        """Read one case.

        Raises:
            CaseError: it can't be used.
        """
        file, _, array = case.path.partition("::")
        if is_row(case):
            return self._row(case, file, array)
        if array:
            raise CaseError("unsupported", "`::array` is for .npz files")
        suffix = Path(file).suffix.lower()
        if suffix in UNREAD:
            raise CaseError("unsupported", "a picture of this format is not read; save it as PNG, JPEG, TIFF or BMP")
        if suffix in FORMATS:
            return read_picture(Path(file), self._reading.limits, case.row, levels_of(case))
        from fedgraft.client.images.dicom.read import read_dicom  # pydicom takes half a second to import

        reading = self._reading
        return read_dicom(Path(file), reading.dicom, reading.limits, case.row, threads=self._threads)

    def _row(self, case: Case, file: str, name: str) -> DecodedImage:
        if not name or case.row is None:
            raise CaseError("no-row", "an .npz needs its array in the path (file.npz::array) and a `row`")
        if file != self._file:
            self._file, self._arrays = file, {}
        if case.path not in self._arrays:
            self._arrays[case.path] = read_array(Path(file), name, self._reading.limits)
        array = self._arrays[case.path]
        rows, *shape = array.shape or (0,)
        if not 0 <= case.row < rows:
            raise CaseError("no-row", f"there is no row {case.row}; the array has {rows}")
        most = self._reading.limits.pixels
        if math.prod(shape[:2]) > most:
            raise CaseError("too-large", f"{' x '.join(map(str, shape[:2]))} pixels; limits.pixels is {most}")
        return array_to_unit(array[case.row], levels_of(case))


def by_file(cases: Sequence[Case]) -> Iterator[tuple[str, list[int]]]:
    """``(file, indices of its cases)`` for each file."""
    order = sorted(range(len(cases)), key=lambda place: file_of(cases[place]))
    for file, places in groupby(order, lambda place: file_of(cases[place])):
        yield file, list(places)
