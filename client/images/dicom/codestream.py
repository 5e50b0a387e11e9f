"""Read the header of a compressed frame before any decoder does, and check it against the data set.

JPEG: ISO/IEC 10918-1 B.2.2 (frame header), 14495-1 C.2.2 (JPEG-LS). JPEG 2000: ISO/IEC 15444-1 A.5.1 (SIZ). RLE: PS3.5
G.5. Decoders allocate memory by these numbers, and some of them decode to another size or depth without an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from struct import Struct, unpack_from

from pydicom import uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.layout import Layout

JPEG_BASELINE = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit})
JPEG_LOSSLESS = frozenset({uid.JPEGLossless, uid.JPEGLosslessSV1})
JPEG_LS = frozenset({uid.JPEGLSLossless, uid.JPEGLSNearLossless})
JPEG_2000 = frozenset({uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K})
LOSSY, LOSSLESS = (0xC0, 0xC1), (0xC3,)
FRAME_HEADERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(JPEG_BASELINE, LOSSY),
    **dict.fromkeys(JPEG_LOSSLESS, LOSSLESS),
    **dict.fromkeys(JPEG_LS, (0xF7,)),
}
"""SOF markers of the coding processes that each transfer syntax allows (PS3.5 section 8.2)."""
FRAMES = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
"""The markers of all kinds of frame header (ISO/IEC 10918-1 table B.1, 14495-1 C.1.1)."""
HUFFMAN_TABLE, SCAN, END = 0xC4, 0xDA, 0xD9
SIZ = Struct(">HHLLLLLLLLH")
JP2_LOOK = 4096
"""The codestream of a JP2 file must start within so many bytes (PS3.5 A.4.4 forbids such files; some writers use them).
"""


@dataclass(frozen=True)
class Codestream:
    """A compressed frame's header.

    ``data``: the codestream's bytes; empty for JPEG. ``precision``: bits of a sample. ``jfif``: whether there is a JFIF
    segment. ``adobe``: the colour transform of the APP14 segment (0 = RGB, 1 = YCbCr), ``None`` without one.
    ``rgb_names``: whether the components are called R, G and B.
    """

    data: bytes
    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False
    jfif: bool = False
    adobe: int | None = None
    rgb_names: bool = False


def codestream_of(syntax: str, data: bytes, layout: Layout) -> Codestream:
    """Read a compressed frame's header and check it against the data set.

    Raises:
        CaseError: ``damaged``: no such codestream, or it is cut off; ``inconsistent``: it contradicts the data set;
            ``unsupported``: its components differ in size or depth.
    """
    if syntax == uid.RLELossless:
        return _rle(data, layout)
    stream = _siz(data) if syntax in JPEG_2000 else _sof(data, FRAME_HEADERS[syntax])
    if not data.rstrip(b"\0\xff").endswith(b"\xd9"):  # EOI and EOC are both FFD9; then padding
        raise CaseError("damaged", "the compressed frame has no end marker: it is cut off")
    if (stream.rows, stream.columns, stream.samples) != (layout.rows, layout.columns, layout.samples):
        raise CaseError("inconsistent", "the compressed frame has another size or number of samples than the data set")
    if stream.precision > layout.allocated or layout.shift:
        raise CaseError("inconsistent", "the compressed frame has another bit depth than the data set")
    if syntax in JPEG_2000:
        contradicts = stream.signed and not layout.signed
        ambiguous = stream.signed != layout.signed and stream.precision != layout.stored
    else:  # of all codestreams only JPEG 2000 has a sign: in the others the highest bit must be the sign
        contradicts, ambiguous = False, layout.signed and stream.precision != layout.stored
    if contradicts or ambiguous:
        raise CaseError("inconsistent", "the compressed frame contradicts (0028,0103) Pixel Representation")
    return stream


def _sof(data: bytes, wanted: tuple[int, ...]) -> Codestream:
    """Read JPEG segments up to the first scan. GDCM's JPEG decoder aborts the process if it finds no scan or table."""
    if data[:2] != b"\xff\xd8":
        raise CaseError("damaged", "a compressed frame does not start as its transfer syntax says")
    stream, jfif, adobe, met = None, False, None, set()
    for marker, body in _segments(data):
        met.add(marker)
        if marker == 0xE0 and body[:5] == b"JFIF\0":
            jfif = True
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        elif marker in FRAMES and stream is None:
            stream = _frame_header(marker, wanted, body)
    if stream is None:
        raise CaseError("damaged", "a compressed frame has no frame header")
    if SCAN not in met or (wanted == LOSSLESS and HUFFMAN_TABLE not in met):
        raise CaseError("damaged", "the frame header of a compressed frame is not followed by tables and a scan")
    return replace(stream, jfif=jfif, adobe=adobe)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each JPEG segment, up to the first scan's header or the first place without a marker."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        (length,) = unpack_from(">H", data, place + 2)
        if marker == END or length < 2:
            return
        yield marker, data[place + 4 : place + 2 + length]
        if marker == SCAN:
            return
        place += 2 + length


def _frame_header(marker: int, wanted: tuple[int, ...], body: bytes) -> Codestream:
    if marker not in wanted:
        raise CaseError("inconsistent", "the compressed frame is of another process than the transfer syntax says")
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise CaseError("damaged", "the frame header of a compressed frame is cut off")
    precision, rows, columns, samples = unpack_from(">BHHB", body)
    if wanted != LOSSY and len({body[7 + 3 * number] for number in range(samples)}) > 1:
        raise CaseError("unsupported", "the components of a lossless JPEG or JPEG-LS frame differ in size")
    names = bytes(body[6 + 3 * number] for number in range(samples))
    return Codestream(b"", rows, columns, samples, precision, rgb_names=names == b"RGB")


def _siz(data: bytes) -> Codestream:
    """Read the SIZ segment of a JPEG 2000 codestream, in a JP2 file or bare."""
    start = data[:JP2_LOOK].find(b"\xff\x4f\xff\x51")
    if start < 0 or (start and data[4:8] != b"jP  "):
        raise CaseError("damaged", "a compressed frame does not start as its transfer syntax says")
    if len(data) < start + 4 + SIZ.size:
        raise CaseError("damaged", "the frame header of a compressed frame is cut off")
    _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, samples = SIZ.unpack_from(
        data, start + 4
    )[1:]
    components = data[start + 4 + SIZ.size :][: 3 * samples]
    if len(components) < 3 * samples or not samples:
        raise CaseError("damaged", "the frame header of a compressed frame is cut off")
    if components != components[:3] * samples or components[1:3] != b"\1\1":
        raise CaseError("unsupported", "the components of a JPEG 2000 frame differ in size or depth")
    if right <= left or bottom <= top or not tile_width or not tile_height:
        raise CaseError("damaged", "a JPEG 2000 frame has no size")
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tile_left > left or tile_top > top or not 0 < tiles <= 65_535:  # ISO/IEC 15444-1 B.3
        raise CaseError("damaged", "a JPEG 2000 frame has impossible tiles")
    depth = components[0]
    return Codestream(data[start:], bottom - top, right - left, samples, (depth & 0x7F) + 1, depth > 0x7F)


def _rle(data: bytes, layout: Layout) -> Codestream:
    """Check an RLE frame's header, PS3.5 G.5: the number of segments and their offsets."""
    if len(data) < 64:
        raise CaseError("damaged", "an RLE frame has no header")
    count, *starts = unpack_from("<16L", data)
    segments = layout.samples * max(layout.allocated, 8) // 8
    if count != segments:
        raise CaseError("inconsistent", "an RLE frame has another number of segments than samples and bits say")
    used = starts[:segments]
    if any(first >= second for first, second in pairwise(used)) or used[0] < 64 or used[-1] >= len(data):
        raise CaseError("damaged", "the segments of an RLE frame lie outside of it")
    return Codestream(data, layout.rows, layout.columns, layout.samples, layout.allocated)
