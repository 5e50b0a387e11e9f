"""Extract one frame's bytes from Pixel Data: native (PS3.5 section 8.1, annex D) or encapsulated (A.4)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import numpy as np

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.elements import ITEM, SEQUENCE_END, UNDEFINED
from fedgraft.client.images.dicom.header import Header
from fedgraft.client.images.dicom.layout import Layout, Stored
from fedgraft.client.images.dicom.source import ByteSource
from fedgraft.client.site.limits import Limits

HEAD = Struct("<HHL")  # an item's tag and length; encapsulated pixels are always little endian
STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51")
"""The first bytes of a JPEG or JPEG-LS codestream, and of a JPEG 2000 one."""
Fragment = tuple[int, int]
"""Offset and length in bytes of a fragment."""


def native(header: Header, layout: Layout, frame: int, limits: Limits) -> Stored:
    """Read one uncompressed frame.

    Returns:
        ``(rows, columns)`` or ``(rows, columns, 3)`` unsigned integers (or floats), in the machine's byte order. Of
        YBR_FULL_422, both pixels of a pair get the pair's colour.

    Raises:
        CaseError: ``inconsistent``: Pixel Data has not exactly the length that rows, columns, samples, frames and bits
            give (or one padding byte more). ``damaged``: the file ends before the frame does.
    """
    pixels = header.pixels
    assert pixels is not None  # `layout_of` has checked it
    source = header.elements.source
    bits = layout.cells * layout.allocated
    whole = -(-bits * layout.frames // 8)
    if pixels.undefined or pixels.length not in (whole, whole + whole % 2):
        raise CaseError("inconsistent", "Pixel Data has not the length that Rows, Columns, Bits Allocated, ... say")
    if source.deflated and whole > limits.decoded_bytes:
        raise CaseError("too-large", f"the deflated file has more than {limits.decoded_bytes} bytes of pixels")
    swapped = header.elements.encoding.big and pixels.vr == b"OW" and layout.allocated <= 8
    first, last = bits * frame // 8, -(-bits * (frame + 1) // 8)
    if swapped:  # 8.1.2: bytes lie in words of 16 bits, which are big endian
        first, last, skipped = first & ~1, last + 1 & ~1, first & 1
        words = np.frombuffer(source.bytes(pixels.start + first, min(last, pixels.length) - first), ">u2")
        data = words.astype("<u2").tobytes()[skipped:]
    else:
        data = source.bytes(pixels.start + first, last - first)
    if layout.allocated == 1:
        unpacked = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[bits * frame % 8 :]
        return unpacked[: layout.cells].reshape(layout.rows, layout.columns)
    kind = "f" if layout.real else "u"
    stored = np.dtype(f"{'>' if header.elements.encoding.big else '<'}{kind}{layout.allocated // 8}")
    flat = np.frombuffer(data, stored, count=layout.cells)
    return _shaped(flat.astype(stored.newbyteorder("="), copy=False), layout)


def _shaped(flat: Stored, layout: Layout) -> Stored:
    rows, columns = layout.rows, layout.columns
    if layout.samples == 1:
        return flat.reshape(rows, columns)
    if layout.photometric == "YBR_FULL_422":  # Y1 Y2 Cb Cr for each two pixels, PS3.3 C.7.6.3.1.2
        pairs = flat.reshape(rows, columns // 2, 4)
        colour = np.broadcast_to(pairs[:, :, None, 2:], (rows, columns // 2, 2, 2))
        return np.concatenate((pairs[:, :, :2, None], colour), axis=-1).reshape(rows, columns, 3)
    if layout.planar:
        return np.moveaxis(flat.reshape(3, rows, columns), 0, -1)
    return flat.reshape(rows, columns, 3)


def encapsulated(header: Header, layout: Layout, frame: int, limits: Limits) -> bytes:
    """Read the codestream of one compressed frame.

    The extended or basic offset table tells which fragments belong to a frame. Without a table, a single frame has all
    fragments; of several frames, each has one fragment, or those from one start of a codestream to the next.

    Raises:
        CaseError: ``inconsistent``: the fragments do not fit the header's number of frames; ``damaged``;
            ``too-large``: more bytes than ``limits.decoded_bytes``.
    """
    pixels = header.pixels
    assert pixels is not None
    if not pixels.undefined:
        raise CaseError("inconsistent", "a compressed transfer syntax, but Pixel Data is not encapsulated")
    source = header.elements.source
    tag, length, start = _head(source, pixels.start)
    if tag != ITEM or length % 4 or length > 4 * limits.frames:
        raise CaseError("damaged", "there is no Basic Offset Table, which may be empty")
    table = np.frombuffer(source.bytes(start, length), "<u4")
    first = start + length
    extended = np.frombuffer(header.elements.raw("ExtendedOffsetTable"), "<u8")
    offsets = extended if len(extended) else table
    if len(offsets) and len(offsets) != layout.frames:
        raise CaseError("inconsistent", "the offset table has not as many entries as there are frames")
    if layout.frames > 1 and len(offsets):
        stop = first + int(offsets[frame + 1]) if frame + 1 < layout.frames else None
        fragments = list(fragments_of(source, first + int(offsets[frame]), stop))
    else:
        fragments = _of_frame(source, list(fragments_of(source, first)), layout.frames, frame)
    if not fragments:
        raise CaseError("inconsistent", "a frame has no bytes")
    if sum(count for _, count in fragments) > limits.decoded_bytes:
        raise CaseError("too-large", f"a frame's codestream has more than {limits.decoded_bytes} bytes")
    return b"".join(source.bytes(*fragment) for fragment in fragments)


def fragments_of(source: ByteSource, start: int, stop: int | None = None) -> Iterator[Fragment]:
    """The fragments from offset ``start`` to ``stop``, or to the delimiter if ``stop`` is ``None``.

    Raises:
        CaseError: ``damaged``: there is something else than fragments; ``inconsistent``: none of them ends at ``stop``.
    """
    while stop is None or start < stop:
        tag, length, start = _head(source, start)
        if tag == SEQUENCE_END and stop is None:
            return
        if tag != ITEM or length == UNDEFINED or start + length > source.size:
            raise CaseError("damaged", "the encapsulated pixels are not a row of fragments with an end")
        yield start, length
        start += length
    if start != stop:
        raise CaseError("inconsistent", "the offset table does not point at fragments")


def _of_frame(source: ByteSource, fragments: list[Fragment], frames: int, frame: int) -> list[Fragment]:
    """The fragments of one frame, where there is no offset table."""
    if frames == 1:
        return fragments
    if len(fragments) == frames:
        return [fragments[frame]]
    heads = [source.bytes(start, min(4, count)) for start, count in fragments]
    starts = [number for number, head in enumerate(heads) if head.startswith(STARTS)]
    if len(starts) != frames or starts[0] != 0:
        raise CaseError("inconsistent", "the fragments are not those of as many frames as the header says")
    return fragments[starts[frame] : [*starts[1:], None][frame]]


def _head(source: ByteSource, start: int) -> tuple[int, int, int]:
    source.step()
    group, number, length = source.unpack(HEAD, start)
    return group << 16 | number, length, start + 8
