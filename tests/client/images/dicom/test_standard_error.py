"""What native code writes to standard error is kept back, and noticed."""

from __future__ import annotations

import os
from pathlib import Path

import data_store
import pytest

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.decoders import watched
from fedgraft.client.images.dicom.read import read_dicom
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

AS_FILED = DicomSection(window="file", choice=0, frames="first", slices=1, neighbours=False)
LOSSLESS = Path(next(iter(data_store.__path__))) / "data" / "JPEG-LL.dcm"


def test_a_line_is_kept_back_and_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    assert watched(lambda: os.write(2, b"oh")) == (2, True)
    assert watched(lambda: 7) == (7, False)
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "after")


def test_standard_error_is_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 / 0)
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_pixels_that_a_decoder_invents_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """GDCM goes on after an end marker in the middle of a picture, and says so on standard error alone."""
    raw = bytearray(LOSSLESS.read_bytes())
    middle = raw.rfind(b"\xe0\x7f\x10\x00") + 40_000
    raw[middle : middle + 2] = b"\xff\xd9"
    path = tmp_path / "cut"
    path.write_bytes(raw)
    with pytest.raises(CaseError, match="a compressed frame can't be decoded") as caught:
        read_dicom(path, AS_FILED, Limits())
    assert caught.value.reason == "damaged"
    assert capfd.readouterr() == ("", "")
