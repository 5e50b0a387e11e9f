"""Decode a compressed frame to stored values, by the fastest decoder with a licence that permits it (docs/dicom.md).

The decoders are those of pydicom's plug-ins, called directly: pydicom's own code around them warns and logs, and takes
as much time as a small frame. `fedgraft.client.images.dicom.codestream` has checked each frame before.
"""

from __future__ import annotations

import importlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable
from itertools import pairwise
from struct import unpack_from
from typing import Any, TypeVar

import numpy as np
from pydicom import uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.codestream import JPEG_2000, JPEG_BASELINE, JPEG_LOSSLESS, JPEG_LS, Codestream
from fedgraft.client.images.dicom.layout import Layout, Stored

T = TypeVar("T")


SYNTAXES = JPEG_BASELINE | JPEG_LOSSLESS | JPEG_LS | JPEG_2000 | {uid.RLELossless}
"""The compressed transfer syntaxes that can be read."""
BOMB = 1 << 28
"""Bytes: the decoded length of an RLE segment that might exceed this is computed before it is decoded."""


def decoded(syntax: str, stream: Codestream, data: bytes, layout: Layout, threads: int = 1) -> tuple[Stored, str]:
    """Decode one frame.

    Args:
        threads: how many CPUs only this process uses. For JPEG 2000, pylibjpeg's OpenJPEG uses one thread and an eighth
            less CPU time; GDCM's uses all CPUs, and is faster if no other process needs them.

    Returns:
        ``(rows, columns)`` or ``(rows, columns, 3)`` integers, and their photometric interpretation: RGB where the
        decoder has undone a colour transform.

    Raises:
        CaseError: ``damaged``, ``unsupported``, or ``inconsistent``: a value is beyond Bits Stored.
    """
    photometric = layout.photometric
    if layout.allocated == 1:
        raise CaseError("unsupported", "compressed pixels of one bit are not read")
    if syntax == uid.RLELossless:
        cells = _rle(data, layout)
    elif syntax in JPEG_2000:
        cells = (
            _gdcm(syntax, stream.data, stream, layout) if threads > 1 and by_gdcm(syntax, stream) else _openjpeg(stream)
        )
        photometric = "RGB" if photometric in ("YBR_ICT", "YBR_RCT") else photometric
    elif syntax in JPEG_BASELINE and stream.precision == 8:
        cells, photometric = _pillow(stream, data, photometric)
    elif syntax in JPEG_BASELINE:
        cells = _libjpeg(data, stream, layout)
    elif syntax in JPEG_LS and layout.samples == 1 and not layout.signed:
        cells = _charls(data, stream)
    elif syntax in JPEG_LS and stream.precision in (6, 7):
        raise CaseError("unsupported", "JPEG-LS of 6 or 7 bits, signed or in colour, is decoded wrongly by GDCM")
    else:
        cells = _gdcm(syntax, data, stream, layout)
    if cells.shape != ((layout.rows, layout.columns, 3) if layout.samples == 3 else (layout.rows, layout.columns)):
        raise CaseError("inconsistent", "a decoder gave another size than the data set says")
    if syntax != uid.RLELossless and stream.precision > layout.stored:
        low, high = (-1 << layout.stored - 1, 1 << layout.stored - 1) if layout.signed else (0, 1 << layout.stored)
        if int(cells.min()) < low or int(cells.max()) >= high:
            raise CaseError("inconsistent", "a decoded value is beyond (0028,0101) Bits Stored")
    return cells, photometric


def _rle(data: bytes, layout: Layout) -> Stored:
    """Decode an RLE frame segment by segment (PS3.5 annex G): for a whole frame, the library panics if a segment is
    too long."""
    from rle.rle import decode_segment

    pixels, width = layout.rows * layout.columns, layout.allocated // 8
    planes = np.empty((layout.samples, pixels, width), np.uint8)
    starts = [*unpack_from(f"<{layout.samples * width}L", data, 4), len(data)]
    for number, (start, end) in enumerate(pairwise(starts)):
        segment = data[start:end]
        if 64 * len(segment) > BOMB and run_lengths(segment, pixels) > pixels:
            raise CaseError("inconsistent", "an RLE segment holds more than the pixels of a frame")
        plain = decode_segment(segment)
        if len(plain) != pixels:
            raise CaseError("inconsistent", "an RLE segment holds more or less than the pixels of a frame")
        sample, place = divmod(number, width)  # the most significant byte comes first
        planes[sample, :, width - 1 - place] = np.frombuffer(plain, np.uint8)
    cells = planes.reshape(-1).view(np.dtype(f"<u{width}"))
    if layout.samples == 1:
        return cells.reshape(layout.rows, layout.columns)
    return np.moveaxis(cells.reshape(3, layout.rows, layout.columns), 0, -1)


def run_lengths(segment: bytes, most: int) -> int:
    """The number of bytes that an RLE segment decodes to, PS3.5 G.3.1; counting stops above ``most``.

    The padding byte that makes a segment's length even may look like the head of a run; without a byte after it, it
    counts as nothing.
    """
    place = count = 0
    while place + 1 < len(segment) and count <= most:
        head = segment[place]
        count += min(head + 1, len(segment) - place - 1) if head < 128 else 257 - head if head > 128 else 0
        place += head + 2 if head < 128 else 2 if head > 128 else 1
    return count


def by_gdcm(syntax: str, stream: Codestream) -> bool:
    """Whether GDCM decodes a JPEG 2000 frame to the same values as OpenJPEG: grey, up to 16 bits, not HTJ2K."""
    return syntax in (uid.JPEG2000Lossless, uid.JPEG2000) and stream.samples == 1 and stream.precision <= 16


def _openjpeg(stream: Codestream) -> Stored:
    from openjpeg.utils import decode

    return np.asarray(decode(stream.data, j2k_format=0))


def _pillow(stream: Codestream, data: bytes, photometric: str) -> tuple[Stored, str]:
    """Decode 8-bit JPEG. Colour is as the APP14 segment says, else as Photometric Interpretation does, whatever libjpeg
    assumes."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about large images: the site's own limit has been applied
        try:
            image = Image.open(io.BytesIO(data), formats=("JPEG",))
        except Image.DecompressionBombError:
            raise CaseError("too-large", "the JPEG decoder takes no frame of so many pixels") from None
    if stream.samples == 1:
        return np.asarray(image), photometric
    transformed = stream.adobe == 1 if stream.adobe is not None else photometric.startswith("YBR")
    supposed = stream.jfif or (stream.adobe == 1 if stream.adobe is not None else not stream.rgb_names)
    if supposed and not transformed:
        image.draft("YCbCr", image.size)  # the components as they are
    return np.asarray(image), "YBR_FULL" if transformed and not supposed else "RGB"


def _libjpeg(data: bytes, stream: Codestream, layout: Layout) -> Stored:
    """12 bits, by the optional extra ``gpl``."""
    try:
        libjpeg: Any = importlib.import_module("libjpeg")
    except ImportError:
        raise CaseError("unsupported", "12-bit lossy JPEG needs the optional extra fedgraft[gpl]") from None
    if layout.samples != 1:
        raise CaseError("unsupported", "12-bit lossy JPEG is only read if it is grey")
    flat = np.asarray(libjpeg.decode(data, colour_transform=0))
    return flat.reshape(stream.rows, stream.columns)


def _charls(data: bytes, stream: Codestream) -> Stored:
    """In half of GDCM's time, whose CharLS is an old one."""
    from jpeg_ls import decode_pixel_data

    try:
        plain, _ = decode_pixel_data(data)
        return np.frombuffer(plain, "<u1" if stream.precision <= 8 else "<u2").reshape(stream.rows, stream.columns)
    except (RuntimeError, ValueError):
        raise CaseError("damaged", "a compressed frame can't be decoded") from None


def _gdcm(syntax: str, data: bytes, stream: Codestream, layout: Layout) -> Stored:
    import gdcm

    for silence in (gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff, gdcm.Trace.DebugOff):
        silence()  # it writes to the process's standard error
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(element)
    photometric = gdcm.PhotometricInterpretation.GetPIType(layout.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    if layout.samples > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    bits, signed = 8 if stream.precision <= 8 else 16, stream.signed if syntax in JPEG_2000 else layout.signed
    image.SetPixelFormat(gdcm.PixelFormat(layout.samples, bits, stream.precision, stream.precision - 1, int(signed)))
    buffer, complained = watched(image.GetBuffer)
    if complained or not isinstance(buffer, str):
        raise CaseError("damaged", "a compressed frame can't be decoded")
    kind = np.dtype(f"<{'i' if signed else 'u'}{bits // 8}")
    flat = np.frombuffer(buffer.encode("utf-8", "surrogateescape"), kind)
    return flat.reshape((layout.rows, layout.columns) + ((3,) if layout.samples == 3 else ()))


def watched(work: Callable[[], T]) -> tuple[T, bool]:
    """Run ``work`` with standard error kept back; its result, and whether it wrote anything.

    It is the whole process's standard error: what another thread writes meanwhile is lost, and counts.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed, as for a daemon: then nothing can be written
        return work(), False
    try:
        with tempfile.TemporaryFile() as caught:
            os.dup2(caught.fileno(), 2)
            try:
                result = work()
            finally:
                os.dup2(kept, 2)
            return result, os.lseek(caught.fileno(), 0, os.SEEK_END) > 0
    finally:
        os.close(kept)
