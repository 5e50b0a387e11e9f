"""Numbers and codes of elements, whatever their bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, Element, Encoding
from fedgraft.client.images.dicom.header import Header
from fedgraft.client.images.dicom.source import ByteSource
from fedgraft.client.images.dicom.values import Elements, named, tag_of


def one(keyword: str, vr: bytes, data: bytes, encoding: Encoding = EXPLICIT_LITTLE) -> Elements:
    source = ByteSource(lambda offset, count: data[offset : offset + count], len(data))
    return Elements(source, encoding, {tag_of(keyword): Element(tag_of(keyword), vr, 0, len(data))})


def test_numbers_by_their_vr() -> None:
    assert one("WindowCenter", b"DS", b"40\\ -1.5e2 \\+.5 ").numbers("WindowCenter") == (40, -150, 0.5)
    assert one("NumberOfFrames", b"IS", b"12\0").integer("NumberOfFrames") == 12
    assert one("Rows", b"US", b"\1\2").integer("Rows") == 513
    assert one("Rows", b"US", b"\1\2", EXPLICIT_BIG).integer("Rows") == 258
    assert one("Rows", b"SS", b"\xff\xff").integer("Rows") == -1
    assert one("Rows", b"", b"\1\2").integer("Rows") == 513  # implicit: as PS3.6 says
    assert one("Rows", b"UN", b"\1\2").integer("Rows") == 513
    padding = one("PixelPaddingValue", b"", b"\xff\xff")
    assert padding.numbers("PixelPaddingValue") == (65535,)
    assert padding.numbers("PixelPaddingValue", signed=True) == (-1,)


def test_nothing_is_no_number() -> None:
    assert one("WindowCenter", b"DS", b"").numbers("WindowCenter") == ()
    assert one("WindowCenter", b"DS", b" \\ ").number("WindowCenter") is None
    assert one("Rows", b"US", b"\1\0").integer("Columns") is None
    assert one("Rows", b"US", b"\1\0").code("Modality") == ""


def test_codes_are_the_first_value_in_capitals() -> None:
    assert one("Modality", b"CS", b" ct \\MR ").code("Modality") == "CT"


@pytest.mark.parametrize(
    ("vr", "data", "text"),
    [
        (b"DS", b"4O", "damaged: (0028,1050) Window Center holds a value that is no number"),
        (b"DS", b"4\\", "damaged: (0028,1050) Window Center holds a value that is no number"),
        (b"DS", b"1_0", "damaged: (0028,1050) Window Center holds a value that is no number"),
        (b"DS", b"NaN ", "damaged: (0028,1050) Window Center holds a value that is no number"),
        (b"DS", "\u0661".encode(), "damaged: (0028,1050) Window Center holds a value that is no number"),
        (b"DS", b"1e999", "damaged: (0028,1050) Window Center is not a finite number"),
        (b"FD", b"\0\0\0\0\0\0\xf8\x7f", "damaged: (0028,1050) Window Center is not a finite number"),
        (b"US", b"\1\0\1", "damaged: (0028,1050) Window Center has a length that its VR can't have"),
        (b"PN", b"Doe^Secret", "damaged: (0028,1050) Window Center has a VR that is not numeric"),
        (b"DS", b"1\\" * 600, "damaged: (0028,1050) Window Center is far too long"),
    ],
)
def test_numbers_that_are_refused(vr: bytes, data: bytes, text: str) -> None:
    with pytest.raises(CaseError) as caught:
        one("WindowCenter", vr, data).numbers("WindowCenter")
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xc3\xa9", "damaged: (0008,0060) Modality is not in the default character set"),
        (b"A" * 1025, "damaged: (0008,0060) Modality is far too long"),
    ],
)
def test_codes_that_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(CaseError) as caught:
        one("Modality", b"CS", data).code("Modality")
    assert str(caught.value) == text


def test_items(make: Callable[..., Dataset], header: Callable[..., Header]) -> None:
    first, second = Dataset(), Dataset()
    first.WindowCenter, second.WindowCenter = 1, 2
    read = header(make(np.zeros((1, 2), "u1"), VOILUTSequence=[first, second])).elements
    assert [item.number("WindowCenter") for item in read.items("VOILUTSequence")] == [1, 2]
    second_item = read.item("VOILUTSequence", 1)
    assert second_item is not None
    assert second_item.number("WindowCenter") == 2
    assert read.item("VOILUTSequence", 2) is None
    assert read.item("ModalityLUTSequence") is None


def test_names_as_the_standard_writes_them() -> None:
    assert named("RescaleSlope") == "(0028,1053) Rescale Slope"
    assert named("VOILUTFunction") == "(0028,1056) VOILUT Function"
    with pytest.raises(KeyError):
        tag_of("NoSuchKeyword")
