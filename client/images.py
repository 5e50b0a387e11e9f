"""A case to float pixels, whatever the file: DICOM, PNG, JPEG, or a row of an array in an ``.npz``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fedgraft.client.limits import Limits
from fedgraft.client.manifest import Case
from fedgraft.common.errors import DataError
from fedgraft.common.schema_data import Dicom

AS_FILED = Dicom(window="file", choice=0, frames="middle", slices=1, neighbours=False)
Pixels = NDArray[np.float32]
PICTURES = (".png", ".jpg", ".jpeg")
SUFFIXES = (".dcm", *PICTURES, ".npz")
_GREY_MODES = {"1": "L", "LA": "L"}
_MOST = {"L": 255.0, "I": 65535.0, "I;16": 65535.0, "I;16B": 65535.0, "RGB": 255.0}
_RANGE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


class CaseReader:
    """Reads cases; holds the arrays of the last ``.npz``, so that each row does not read the file again."""

    def __init__(self) -> None:
        self._file = ""
        self._arrays: dict[str, NDArray[np.generic]] = {}

    def __call__(self, case: Case) -> Pixels:
        """Read one case.

        Returns:
            ``(H, W)`` or ``(H, W, 3)`` float32 in [0, 1], 1 = white.

        Raises:
            DataError: the file (or its array, or row) is missing, of an unknown kind, or can't be decoded.
        """
        file, _, array = case.path.partition("::")
        suffix = Path(file).suffix.lower()
        if suffix not in SUFFIXES:
            raise DataError(f"{file}: unknown kind of file {suffix!r}; use one of {', '.join(SUFFIXES)}")
        if suffix == ".npz":
            return self._row(case, file, array)
        if case.row is not None or array:
            raise DataError(f"{case.path}: `row` and `::array` are for .npz files; this file is one case")
        if suffix == ".dcm":
            from fedgraft.client.dicom.read import read_dicom  # pydicom takes half a second to import

            return read_dicom(Path(file), AS_FILED, Limits()).pixels
        return read_picture(Path(file))

    def _row(self, case: Case, file: str, name: str) -> Pixels:
        if not name or case.row is None:
            raise DataError(f"{case.path}: an .npz needs its array in the path (file.npz::array) and a `row`")
        if file != self._file:
            self._file, self._arrays = file, {}
        if case.path not in self._arrays:
            self._arrays[case.path] = read_array(Path(file), name)
        array = self._arrays[case.path]
        if not 0 <= case.row < len(array):
            raise DataError(f"{case.path}: there is no row {case.row}; the array has {len(array)}")
        return array_to_unit(array[case.row], case.path)


def read_case(case: Case) -> Pixels:
    """Read a single case; for many, keep a `CaseReader`."""
    return CaseReader()(case)


def read_picture(path: Path) -> Pixels:
    """Read a PNG or JPEG: ``(H, W)`` if it is grey, else ``(H, W, 3)``; float32 in [0, 1].

    Transparency is dropped; the orientation that EXIF names is applied.

    Raises:
        DataError: the file is missing or can't be decoded.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode not in _MOST:
                picture = picture.convert(_GREY_MODES.get(picture.mode, "RGB"))
            pixels = np.asarray(picture, dtype=np.float32)
    except Exception as error:  # a damaged file makes a decoder raise anything
        raise DataError(f"{path}: not a readable PNG or JPEG ({type(error).__name__})") from error
    return pixels / np.float32(_MOST[picture.mode])


def read_array(path: Path, name: str) -> NDArray[np.generic]:
    """Read one array of an ``.npz``, never unpickling.

    Raises:
        DataError: the file or the array is missing, damaged, or holds objects.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            names = tuple(arrays)
            array: NDArray[np.generic] | None = arrays[name] if name in names else None
    except Exception as error:  # likewise zip and zlib
        raise DataError(f"{path}: not a readable .npz of plain arrays ({type(error).__name__})") from error
    if array is None:
        raise DataError(f"{path}: has no array {name!r}; it has {', '.join(names)}")
    return array


def array_to_unit(image: NDArray[np.generic], where: str) -> Pixels:
    """Integers or floats to float32 in [0, 1].

    Args:
        image: ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, uint8, uint16, bool, or floats in [0, 1].
        where: named in errors.

    Raises:
        DataError: another shape or dtype, or floats that are not in [0, 1].
    """
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[-1] == 3):
        raise DataError(f"{where}: an image has the shape {image.shape}; need (H, W), (H, W, 1) or (H, W, 3)")
    if image.dtype in _RANGE:
        return image.astype(np.float32) / np.float32(_RANGE[image.dtype])
    if image.dtype != np.bool_ and not np.issubdtype(image.dtype, np.floating):
        raise DataError(f"{where}: dtype {image.dtype} has no known range; use uint8, uint16, or floats in [0, 1]")
    unit = image.astype(np.float32)
    if not (np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1):
        raise DataError(f"{where}: an image of dtype {image.dtype} must lie in [0, 1]; scale it")
    return unit
