"""Stepping over a data set by hand-made bytes."""

from __future__ import annotations

from struct import pack

import pytest

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.elements import (
    DEPTH,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Element,
    Encoding,
    elements,
    items,
)
from fedgraft.client.images.dicom.source import ByteSource

ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\0\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
OPEN = b"\xff" * 4
ROWS = b"\x28\0\x10\0US\2\0\7\0"
SEQUENCE = b"\x08\0\x15\x11SQ\0\0"


def source(data: bytes) -> ByteSource:
    return ByteSource(lambda offset, count: data[offset : offset + count], len(data))


def stepped(data: bytes, encoding: Encoding = EXPLICIT_LITTLE, last: int = 0) -> list[Element]:
    return list(elements(source(data), 0, len(data), encoding, last))


def test_one_element_in_each_encoding() -> None:
    assert stepped(ROWS) == [Element(0x00280010, b"US", 8, 2)]
    assert stepped(b"\x28\0\x10\0\2\0\0\0\7\0", IMPLICIT_LITTLE) == [Element(0x00280010, b"", 8, 2)]
    assert stepped(b"\0\x28\0\x10US\0\2\0\7", EXPLICIT_BIG) == [Element(0x00280010, b"US", 8, 2)]
    assert stepped(b"\x09\0\1\x10OB\0\0\2\0\0\0ab" + ROWS)[0] == Element(0x00091001, b"OB", 12, 2)


def test_the_last_element_is_not_stepped_over() -> None:
    pixels = b"\xe0\x7f\x10\0OW\0\0" + pack("<L", 1 << 30)
    assert stepped(ROWS + pixels + ROWS, last=0x7FE00010)[1:] == [Element(0x7FE00010, b"OW", 22, 1 << 30)]


def test_sequences_with_and_without_lengths() -> None:
    inner = ITEM + pack("<L", len(ROWS)) + ROWS
    known = SEQUENCE + pack("<L", len(inner)) + inner
    unknown = SEQUENCE + OPEN + ITEM + OPEN + ROWS + ITEM_END + SEQUENCE_END
    for data in (known, unknown):
        sequence, after = stepped(data + ROWS)
        assert after.tag == 0x00280010
        found = list(items(source(data + ROWS), sequence, EXPLICIT_LITTLE))
        assert [end - start for start, end, _ in found] == [len(ROWS)]
        assert (data + ROWS)[found[0][0] : found[0][1]] == ROWS


def test_a_sequence_as_un_is_implicit_inside() -> None:
    """PS3.5 section 6.2.2, note 2."""
    implicit = b"\x28\0\x10\0\2\0\0\0\7\0"
    data = b"\x08\0\x15\x11UN\0\0" + OPEN + ITEM + OPEN + implicit + ITEM_END + SEQUENCE_END + ROWS
    assert [one.tag for one in stepped(data)] == [0x00081115, 0x00280010]


def nested(depth: int) -> bytes:
    return (SEQUENCE + OPEN + ITEM + OPEN) * depth + (ITEM_END + SEQUENCE_END) * depth


def test_depth() -> None:
    assert len(stepped(nested(DEPTH))) == 1
    for depth in (DEPTH + 1, 100_000):
        with pytest.raises(CaseError, match=r"^too-large: sequences are nested deeper than 32$"):
            stepped(nested(depth))


BEYOND = "damaged: the file ends before the length that an element states"
INSIDE = "damaged: the file ends inside an element"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (ROWS[:-1], BEYOND),
        (ROWS[:5], INSIDE),
        (b"\x09\0\1\x10OB\0\0\xfe\xff\xff\xffab", BEYOND),
        (b"\x28\0\x10\0ZZ\2\0\7\0", "damaged: an element has no VR that PS3.5 section 6.2 knows"),
        (SEQUENCE_END, "damaged: a delimiter stands where an element is due"),
        (SEQUENCE + OPEN + ROWS, "damaged: a sequence holds something else than items"),
        (SEQUENCE + OPEN + ITEM + OPEN + ROWS, "damaged: an item has no end"),
        (SEQUENCE + OPEN + ITEM + pack("<L", 99) + ROWS, "damaged: an item goes beyond the end of the file"),
        (SEQUENCE + OPEN + ITEM + pack("<L", len(ROWS)) + ROWS, INSIDE),
    ],
)
def test_data_sets_that_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(CaseError) as caught:
        stepped(data)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x08\0\x15\x11OB\0\0\2\0\0\0ab", "damaged: an element that must be a sequence has another VR"),
        (SEQUENCE + pack("<L", len(ROWS)) + ROWS, "damaged: a sequence holds something else than items"),
        (SEQUENCE + pack("<L", 18) + ITEM + pack("<L", 99) + ROWS, "damaged: an item goes beyond its sequence"),
    ],
)
def test_sequences_that_are_refused(data: bytes, text: str) -> None:
    (sequence,) = stepped(data)
    with pytest.raises(CaseError) as caught:
        list(items(source(data), sequence, EXPLICIT_LITTLE))
    assert str(caught.value) == text
