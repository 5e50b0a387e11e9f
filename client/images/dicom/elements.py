"""Find where the elements of a data set lie (PS3.5 chapter 7) without reading their values into memory.

pydicom parses everything before the pixels, including private sequences of any depth. Here only lengths are followed;
later the few elements that affect pixels are read (`fedgraft.client.images.dicom.header`).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.source import ByteSource

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
DEPTH = 32
"""The largest depth of nested sequences."""

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""PS3.5 section 7.1.2: these have two reserved bytes and a length of four bytes."""


class Encoding(NamedTuple):
    """How a transfer syntax encodes elements (PS3.5 annex A): VRs implicit or explicit, byte order, element headers."""

    implicit: bool
    big: bool
    explicit_head: Struct
    implicit_head: Struct
    length: Struct


def _encoding(implicit: bool, big: bool) -> Encoding:
    end = ">" if big else "<"
    return Encoding(implicit, big, Struct(end + "HH2sH"), Struct(end + "HHL"), Struct(end + "L"))


IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG = _encoding(True, False), _encoding(False, False), _encoding(False, True)


class Element(NamedTuple):
    """An element's tag and VR (empty if implicit), and the offset and length in bytes of its value.

    ``undefined``: the element states no length; ``length`` is then the measured one, delimiter included.
    """

    tag: int
    vr: bytes
    start: int
    length: int
    undefined: bool = False


def elements(
    source: ByteSource, start: int, end: int, encoding: Encoding, last: int = 0, depth: int = 0
) -> Iterator[Element]:
    """The elements from offset ``start`` to ``end``, or up to the first whose tag is ``last`` or greater.

    Args:
        last: the first element of this or a greater tag ends the iteration; its value is not stepped over; 0 = none.

    Raises:
        CaseError: ``damaged``: a length goes beyond ``end``, an unknown VR, a stray delimiter. ``too-large``: `DEPTH`.
    """
    if depth > DEPTH:
        raise CaseError("too-large", f"sequences are nested deeper than {DEPTH}")
    implicit, head = encoding.implicit, encoding.implicit_head if encoding.implicit else encoding.explicit_head
    while start < end:
        source.step()
        vr = b""
        if implicit:
            group, number, length = source.unpack(head, start)
            start += 8
        else:
            group, number, vr, length = source.unpack(head, start)
            start += 8
            if vr in LONG_VRS:
                (length,) = source.unpack(encoding.length, start)
                start += 4
        tag = group << 16 | number
        undefined = length == UNDEFINED
        if last and tag >= last:
            yield Element(tag, vr, start, length, undefined)
            return
        if group == 0xFFFE:
            raise CaseError("damaged", "a delimiter stands where an element is due")
        if not implicit and vr not in SHORT_VRS and vr not in LONG_VRS:
            raise CaseError("damaged", "an element has no VR that PS3.5 section 6.2 knows")
        if undefined:
            after = _sequence_end(source, start, end, _inner(encoding, vr), depth + 1)
            yield Element(tag, vr, start, after - start, True)
            start = after
        else:
            if start + length > end:
                raise CaseError("damaged", "the file ends before the length that an element states")
            yield Element(tag, vr, start, length)
            start += length


def items(source: ByteSource, sequence: Element, encoding: Encoding) -> Iterator[tuple[int, int, Encoding]]:
    """Start and end offset of each item of a sequence, and how its elements are encoded.

    Raises:
        CaseError: ``damaged``: it is no sequence.
    """
    if sequence.vr not in (b"", b"SQ", b"UN"):
        raise CaseError("damaged", "an element that must be a sequence has another VR")
    inner = _inner(encoding, sequence.vr)
    start, end = sequence.start, sequence.start + sequence.length
    while start < end:
        tag, length, start = _item(source, start, inner)
        if tag == SEQUENCE_END and sequence.undefined:
            return
        if tag != ITEM:
            raise CaseError("damaged", "a sequence holds something else than items")
        if length == UNDEFINED:
            after = _item_end(source, start, end, inner, 1)
            yield start, after - 8, inner
        else:
            after = start + length
            if after > end:
                raise CaseError("damaged", "an item goes beyond its sequence")
            yield start, after, inner
        start = after


def _inner(encoding: Encoding, vr: bytes) -> Encoding:
    """The encoding inside a sequence. PS3.5 section 6.2.2, note 2: with the VR UN it is implicit little endian."""
    return IMPLICIT_LITTLE if vr == b"UN" else encoding


def _item(source: ByteSource, start: int, encoding: Encoding) -> tuple[int, int, int]:
    """Tag and length of an item or delimiter (they have no VR, PS3.5 section 7.5), and the offset of its value."""
    source.step()
    group, number, length = source.unpack(encoding.implicit_head, start)
    return group << 16 | number, length, start + 8


def _sequence_end(source: ByteSource, start: int, end: int, encoding: Encoding, depth: int) -> int:
    """The offset behind the delimiter of a sequence of undefined length, or of encapsulated pixels (of an icon)."""
    while True:
        tag, length, start = _item(source, start, encoding)
        if tag == SEQUENCE_END:
            return start
        if tag != ITEM:
            raise CaseError("damaged", "a sequence holds something else than items")
        start = _item_end(source, start, end, encoding, depth) if length == UNDEFINED else start + length
        if start > end:
            raise CaseError("damaged", "an item goes beyond the end of the file")


def _item_end(source: ByteSource, start: int, end: int, encoding: Encoding, depth: int) -> int:
    """The offset behind the delimiter of an item of undefined length."""
    for element in elements(source, start, end, encoding, ITEM_END, depth):
        if element.tag == ITEM_END:
            return element.start
    raise CaseError("damaged", "an item has no end")
