"""Read PNG, JPEG, TIFF and BMP files, and rows of arrays, to float pixels."""

from __future__ import annotations

import re
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT, TiffImageFile

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.grey_levels import DEEP, UNSTATED, Levels, checked_top
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.site.limits import Limits

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
UNREAD = frozenset({".gif", ".webp", ".heic", ".jp2", ".pdf", ".svg"})
"""Suffixes of pictures of other formats: they are no DICOM files that lost their prefix."""
_GREY_MODES = {"1": "L", "LA": "L"}
_SIXTEEN_BITS = ("I", "I;16", "I;16B")
_DEEP_COLOUR = re.compile(r"(RGB|RGBA|RGBX|LA);16([BLN])")
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def read_picture(path: Path, limits: Limits, page: int | None = None, levels: Levels = UNSTATED) -> DecodedImage:
    """Read a PNG, JPEG, TIFF or BMP of 8 or 16 bits: ``(H, W)`` if it is grey, else ``(H, W, 3)``; float32 in [0, 1].

    Transparency is dropped, EXIF orientation is applied, and 0 is black, also for a TIFF in which white is 0.

    Args:
        page: for a TIFF with several pages, and only for those.
        levels: of a picture of 16 bits.

    Raises:
        CaseError: the file is missing, damaged, too large or of another kind; or as `checked_top`.
    """
    if not path.is_file():
        raise CaseError("missing")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings quote the file; the limits are checked here
            # a stream, not a path: Pillow maps the file of a path, and then a TIFF on its side comes out scrambled
            with path.open("rb") as stream, Image.open(stream, formats=tuple(set(FORMATS.values()))) as opened:
                _check(opened, limits, page)
                return _deep_colour(opened, stream, page, levels) or _values(opened, levels)
    except CaseError:
        raise
    except Image.DecompressionBombError:
        raise CaseError("too-large", "more pixels than Pillow opens") from None
    except UnidentifiedImageError:
        raise CaseError("damaged", "not a PNG, JPEG, TIFF or BMP that can be read") from None
    except MemoryError:
        raise CaseError("too-large") from None
    except Exception as error:  # a damaged file makes a decoder raise anything
        raise CaseError("damaged", f"the picture can't be decoded ({type(error).__name__})") from None


def read_array(path: Path, name: str, limits: Limits) -> NDArray[np.generic]:
    """Read one array of an ``.npz``, never unpickling.

    Raises:
        CaseError: the file or the array is missing, damaged, too large, or holds objects.
    """
    if not path.is_file():
        raise CaseError("missing")
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{name}.npy" not in archive.namelist():
                raise CaseError("no-row", "the .npz has no array of this name")
            entry = archive.getinfo(f"{name}.npy")
            if entry.file_size > limits.decoded_bytes:
                raise CaseError("too-large", f"the array has {entry.file_size} bytes; limits.decoded_bytes is less")
            with archive.open(entry) as stream:
                array: NDArray[np.generic] = npy.read_array(stream, allow_pickle=False)
                return array
    except CaseError:
        raise
    except Exception as error:  # likewise zip and zlib
        raise CaseError("damaged", f"not an .npz of plain arrays ({type(error).__name__})") from None


def array_to_unit(image: NDArray[np.generic], levels: Levels = UNSTATED) -> DecodedImage:
    """Integers or floats to float32 in [0, 1].

    Args:
        image: ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, uint8, uint16, bool, or floats in [0, 1].
        levels: of uint16.

    Raises:
        CaseError: another shape or dtype, or floats that are not in [0, 1]; or as `checked_top`.
    """
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if not image.size or (image.ndim != 2 and not (image.ndim == 3 and image.shape[-1] == 3)):
        raise CaseError("unsupported", f"an image has the shape {image.shape}; need (H, W), (H, W, 1) or (H, W, 3)")
    if image.dtype == np.uint8:
        return DecodedImage(image.astype(np.float32) / np.float32(255))
    if image.dtype == np.uint16:
        top = checked_top(image, levels)
        return DecodedImage(image.astype(np.float32) / np.float32(levels.white), top=top)
    if image.dtype != np.bool_ and not np.issubdtype(image.dtype, np.floating):
        raise CaseError(
            "unsupported", f"dtype {image.dtype} has no known range; use uint8, uint16, or floats in [0, 1]"
        )
    unit = image.astype(np.float32)
    if not (np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1):
        raise CaseError("inconsistent", f"an image of dtype {image.dtype} must lie in [0, 1]; scale it")
    return DecodedImage(unit)


def _check(opened: Image.Image, limits: Limits, page: int | None) -> None:
    """Check an image's header against the limits, before it is decoded."""
    pages = getattr(opened, "n_frames", 1)
    if pages > limits.frames:
        raise CaseError("too-large", f"{pages} pages; limits.frames is {limits.frames}")
    if page is None and pages > 1:
        raise CaseError("no-frame", f"the picture has {pages} pages; name one in the manifest's `row`, from 0")
    if page is not None and pages == 1:
        raise CaseError("no-frame", "`row` names a page, but the picture has only one; leave `row` empty")
    if page is not None:
        if page >= pages:
            raise CaseError("no-frame", f"there is no page {page}; the picture has {pages}")
        opened.seek(page)
    width, height = opened.size
    if width * height > limits.pixels:
        raise CaseError("too-large", f"{height} x {width} pixels; limits.pixels is {limits.pixels}")


def _deep_colour(opened: ImageFile, stream: IO[bytes], page: int | None, levels: Levels) -> DecodedImage | None:
    """A colour picture, or one of grey and transparency, of 16 bits: Pillow keeps each value's upper byte and drops the
    lower one, so the lower ones are read as if they were the upper ones of the other byte order; ``None`` of others."""
    modes = {_raw_mode(tile.args) for tile in opened.tile}
    tags: Mapping[int, Any] = opened.tag_v2 if isinstance(opened, TiffImageFile) else {}
    bits = tags.get(BITSPERSAMPLE, ())
    deep = any(";16" in mode for mode in modes) or (len(bits) > 1 and 8 < max(bits) <= DEEP)
    if not deep or opened.mode in _SIXTEEN_BITS:
        return None
    found = _DEEP_COLOUR.fullmatch(next(iter(modes))) if len(modes) == 1 else None
    if found is None:
        raise CaseError("unsupported", "colours of 16 bits that are not plain RGB; save RGB or grey, 8 or 16 bits")
    grey = found[1] == "LA"
    lower = "RGBA" if grey else f"{found[1]};16{_SWAPPED[found[2]]}"  # the four bytes of grey and alpha, as they stand
    upper = np.asarray(ImageOps.exif_transpose(opened))[..., :3]
    stream.seek(0)
    with Image.open(stream, formats=(opened.format or "",)) as again:
        again.seek(page or 0)
        again.tile = [tile._replace(args=_renamed(tile.args, lower)) for tile in again.tile]
        below = np.asarray(ImageOps.exif_transpose(again))[..., :3]
    stored = upper.astype(np.uint16) << 8 | (below[..., 1:2] if grey else below)
    return array_to_unit(stored[..., 0] if grey else stored, levels)


def _raw_mode(args: Any) -> str:
    """How a part of a picture is stored, from what Pillow gives its decoder."""
    return args if isinstance(args, str) else str(args[0]) if args else ""


def _renamed(args: Any, mode: str) -> Any:
    return mode if isinstance(args, str) else (mode, *args[1:])


def _values(opened: Image.Image, levels: Levels) -> DecodedImage:
    tags: Mapping[int, Any] = opened.tag_v2 if isinstance(opened, TiffImageFile) else {}
    bits = max(tags.get(BITSPERSAMPLE, (16,)))
    if bits > 16 or set(tags.get(SAMPLEFORMAT, (1,))) != {1}:
        raise CaseError("unsupported", "signed pixels, floats and 32 bits have no known range; save 8 or 16 bits")
    picture = ImageOps.exif_transpose(opened)
    if picture.mode in _SIXTEEN_BITS:  # or 12 in a TIFF
        stored = np.asarray(picture)
        levels = levels if bits == DEEP else Levels(bits, stated=True)
        top = checked_top(stored, levels)
        unit = stored.astype(np.float32) / np.float32(levels.white)
        white_is_zero = bool(tags) and tags.get(PHOTOMETRIC_INTERPRETATION, 0) == 0
        return DecodedImage(1 - unit if white_is_zero else unit, top=top)  # Pillow sees to it at 8 bits only
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert(_GREY_MODES.get(picture.mode, "RGB"))
    return DecodedImage(np.asarray(picture, np.float32) / np.float32(255))
