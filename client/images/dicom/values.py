"""Read values of elements by their VR (PS3.5 section 6.2): numbers and short codes, no free text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct

from pydicom.datadict import dictionary_VR, tag_for_keyword

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.elements import Element, Encoding, elements, items
from fedgraft.client.images.dicom.source import ByteSource

BINARY = {b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"FL": "f", b"FD": "d"}
DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
TEXT_BYTES = 1024
"""The most bytes of an element with numbers or a code, all its values together."""


def tag_of(keyword: str) -> int:
    """The tag of a keyword of PS3.6."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return int(tag)


@dataclass(frozen=True)
class Elements:
    """The elements of one data set or item: ``found`` by tag, with values in ``source``."""

    source: ByteSource
    encoding: Encoding
    found: Mapping[int, Element]

    def has(self, keyword: str) -> bool:
        """Whether the element is there and not empty."""
        element = self.found.get(tag_of(keyword))
        return element is not None and element.length > 0

    def raw(self, keyword: str) -> bytes:
        """The value's bytes; empty if the element is not there."""
        element = self.found.get(tag_of(keyword))
        if element is None or element.undefined:
            return b""
        return self.source.bytes(element.start, element.length)

    def vr(self, keyword: str) -> bytes:
        """The element's VR: the file's, or if that is implicit or UN, that of PS3.6."""
        tag = tag_of(keyword)
        stated = self.found[tag].vr if tag in self.found else b""
        return stated if stated not in (b"", b"UN") else dictionary_VR(tag).encode()

    def numbers(self, keyword: str, *, signed: bool = False) -> tuple[float, ...]:
        """All values of a numeric element; empty if it is not there.

        Args:
            signed: whether to read an element as SS that PS3.6 lists as ``US or SS``, if the file states no VR.

        Raises:
            CaseError: ``damaged``: its VR is not numeric, or a value is no number.
        """
        element = self.found.get(tag_of(keyword))
        if element is None or element.length == 0:
            return ()
        if element.undefined or element.length > TEXT_BYTES:
            raise CaseError("damaged", f"{named(keyword)} is far too long")
        vr, value = self.vr(keyword), self.raw(keyword)
        if vr == b"US or SS":
            vr = b"SS" if signed else b"US"
        if vr in BINARY:
            one = Struct((">" if self.encoding.big else "<") + BINARY[vr])
            if len(value) % one.size:
                raise CaseError("damaged", f"{named(keyword)} has a length that its VR can't have")
            return tuple(_finite(float(number), keyword) for (number,) in one.iter_unpack(value))
        if vr not in (b"DS", b"IS"):
            raise CaseError("damaged", f"{named(keyword)} has a VR that is not numeric")
        texts = [text.strip(b" \0") for text in value.split(b"\\")]
        if not any(texts):
            return ()
        if not all(DECIMAL.fullmatch(text) for text in texts):
            raise CaseError("damaged", f"{named(keyword)} holds a value that is no number")
        return tuple(_finite(float(text), keyword) for text in texts)

    def number(self, keyword: str, *, signed: bool = False) -> float | None:
        """The first value of a numeric element; ``None`` if there is none. Raises as `numbers`."""
        values = self.numbers(keyword, signed=signed)
        return values[0] if values else None

    def integer(self, keyword: str) -> int | None:
        """The first value of a numeric element as an integer; ``None`` if there is none.

        Raises:
            CaseError: ``damaged``: as `numbers`, or the value is not whole.
        """
        value = self.number(keyword)
        if value is not None and value != int(value):
            raise CaseError("damaged", f"{named(keyword)} is not a whole number")
        return None if value is None else int(value)

    def code(self, keyword: str) -> str:
        """The first value of a code string or UID, in capitals; empty if there is none.

        Raises:
            CaseError: ``damaged``: it is too long, or not ASCII.
        """
        element = self.found.get(tag_of(keyword))
        if element is None:
            return ""
        if element.length > TEXT_BYTES:
            raise CaseError("damaged", f"{named(keyword)} is far too long")
        text = self.raw(keyword).split(b"\\")[0].strip(b" \0")
        if not text.isascii():
            raise CaseError("damaged", f"{named(keyword)} is not in the default character set")
        return text.decode("ascii").upper()

    def items(self, keyword: str) -> Iterator[Elements]:
        """The items of a sequence; none if it is not there."""
        sequence = self.found.get(tag_of(keyword))
        if sequence is None:
            return
        for start, end, encoding in items(self.source, sequence, self.encoding):
            found = {element.tag: element for element in elements(self.source, start, end, encoding)}
            yield Elements(self.source, encoding, found)

    def item(self, keyword: str, position: int = 0) -> Elements | None:
        """One item of a sequence, ``None`` if it is not there; the others are not read."""
        sequence = self.found.get(tag_of(keyword))
        if sequence is None:
            return None
        for number, (start, end, encoding) in enumerate(items(self.source, sequence, self.encoding)):
            if number == position:
                found = {element.tag: element for element in elements(self.source, start, end, encoding)}
                return Elements(self.source, encoding, found)
        return None


def named(keyword: str) -> str:
    """``(0028,0010) Rows``, as error messages name an element."""
    tag = tag_of(keyword)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", keyword)
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {words}"


def _finite(value: float, keyword: str) -> float:
    if not abs(value) <= 1e38:  # what float32 holds; also NaN
        raise CaseError("damaged", f"{named(keyword)} is not a finite number")
    return value


@dataclass(frozen=True)
class FrameElements:
    """The data set, and the functional groups of one frame: first its own, then those that all frames share."""

    dataset: Elements
    groups: tuple[Elements, ...]

    def macro(self, sequence: str) -> Elements:
        """The item of a functional group macro (PS3.3 C.7.6.16); without one, the data set, which holds the
        same elements in an image of one frame."""
        for group in self.groups:
            item = group.item(sequence)
            if item is not None:
                return item
        return self.dataset


def frame_elements(dataset: Elements, frame: int) -> FrameElements:
    """Read the functional groups of one frame; those of other frames are not read.

    Raises:
        CaseError: ``inconsistent``: there are groups by frame, but none for this one.
    """
    groups = []
    if dataset.has("PerFrameFunctionalGroupsSequence"):
        own = dataset.item("PerFrameFunctionalGroupsSequence", frame)
        if own is None:
            raise CaseError("inconsistent", "(5200,9230) Per-Frame Functional Groups Sequence has too few items")
        groups.append(own)
    shared = dataset.item("SharedFunctionalGroupsSequence")
    if shared is not None:
        groups.append(shared)
    return FrameElements(dataset, tuple(groups))
