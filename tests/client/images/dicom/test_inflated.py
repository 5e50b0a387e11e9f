"""A deflated bomb is one line of quarantine: what is not read is not inflated."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.read import read_dicom
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

AS_FILED = DicomSection(window="file", choice=0, frames="first", slices=1, neighbours=False)


def test_a_private_element_of_more_than_all_limits_together_is_too_large(tmp_path: Path) -> None:
    """0x7FFFFFF0 bytes, by its length; it used to be taken for a file that is cut off."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = (
        packer.compress(b"\x09\0\x01\x10OB\0\0\xf0\xff\xff\x7f") + packer.compress(bytes(10_000_000)) + packer.flush()
    )
    path = tmp_path / "bomb"
    path.write_bytes(bytes(128) + b"DICM\2\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99" + packed)
    with pytest.raises(CaseError, match="the header has more than 64000000 bytes") as caught:
        read_dicom(path, AS_FILED, Limits())
    assert caught.value.reason == "too-large"
