"""What stands before the pixels, and what is never read of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from pydicom import config
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from fedgraft.client.images.dicom.header import WANTED, Header

STORED = np.array([[0, 255]], "u1")
Save = Callable[..., Path]
Refused = Callable[..., str]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_transfer_syntaxes_of_native_pixels(
    make: Callable[..., Dataset], show: Callable[..., NDArray[np.float32]], syntax: str
) -> None:
    dataset = make(STORED, syntax=syntax)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = bytes([255, 0])
    assert_array_equal(show(dataset), [[0, 1]])


def test_nothing_about_the_patient_is_read(show: Callable[..., NDArray[np.float32]]) -> None:
    """An impossible birth date would be an error if it were."""
    with config.disable_value_validation():
        assert_array_equal(show(STORED, PatientBirthDate="not a date"), [[0, 1]])
    keywords = [keyword_for_tag(tag) for tag in WANTED]
    named = [word for word in keywords if word.startswith(("Patient", "Study", "Institution", "Referring"))]
    assert named == ["PatientIdentityRemoved"]


def test_a_syntax_that_says_implicit_where_vrs_are_explicit(
    make: Callable[..., Dataset], save: Save, show: Callable[..., NDArray[np.float32]]
) -> None:
    path = save(make(STORED))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))
    assert_array_equal(show(path), [[0, 1]])


def test_no_dicom(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "secret.dcm"
    for data in (b"", b"hello" * 100):
        path.write_bytes(data)
        assert refused(path) == "not-dicom: not a DICOM file: no DICM prefix (PS3.10 section 7.1)"
    assert refused(tmp_path / "secret") == "missing: the file does not exist or can't be opened"


def test_no_transfer_syntax(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "secret.dcm"
    path.write_bytes(bytes(128) + b"DICM" + b"\x28\0\x10\0US\2\0\7\0")
    assert refused(path) == "damaged: (0002,0010) Transfer Syntax UID is not there"


def test_an_element_that_stands_twice(make: Callable[..., Dataset], save: Save, refused: Refused) -> None:
    path = save(make(STORED))
    rows = b"\x28\0\x10\0US\2\0\1\0"
    path.write_bytes(path.read_bytes().replace(rows, rows + rows))
    assert refused(path) == "damaged: the element (0028,0010) stands twice"


@pytest.mark.parametrize("length", [140, 300, 500, 600])
def test_a_file_that_is_cut_off(make: Callable[..., Dataset], save: Save, refused: Refused, length: int) -> None:
    path = save(make(np.zeros((64, 64), "<u2")))
    path.write_bytes(path.read_bytes()[:length])
    assert refused(path).startswith(("damaged: ", "no-pixels: "))


def test_the_header_limit(make: Callable[..., Dataset], header: Callable[..., Header], refused: Refused) -> None:
    elements: dict[str, Any] = {"ImageComments": "x" * 5000}
    assert header(make(STORED, **elements)).pixels is not None
    text = "too-large: the header has more than 5000 bytes"
    assert refused(STORED, limits={"header_bytes": 5000}, **elements) == text
