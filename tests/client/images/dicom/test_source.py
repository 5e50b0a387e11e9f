"""Bytes where they are needed, and no more of them than a limit allows."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from struct import Struct

import pytest

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom import source
from fedgraft.client.images.dicom.source import ByteSource, inflated, opened
from fedgraft.client.site.limits import Limits

SMALL = Limits(header_bytes=1000, decoded_bytes=1000)
WORD = Struct("<H")


def deflated(plain: bytes) -> ByteSource:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(plain) + packer.flush()
    return ByteSource(lambda offset, count: packed[offset : offset + count], len(packed))


def test_bytes_and_numbers_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(bytes(range(256)) * 200)
    with opened(path) as read:
        assert read.size == 51_200
        assert read.unpack(WORD, 20_000) == (20_000 % 256 + 256 * (20_001 % 256),)
        assert read.bytes(40_000, 3) == bytes([64, 65, 66])
        with pytest.raises(CaseError, match=r"^damaged: the file ends before the length that an element states$"):
            read.bytes(51_199, 2)
        with pytest.raises(CaseError, match=r"^damaged: the file ends inside an element$"):
            read.unpack(WORD, 51_199)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "secret-pipe")
    for path in (tmp_path / "secret", tmp_path / "secret-pipe", tmp_path, tmp_path / "a\0b"):
        with (
            pytest.raises(CaseError, match=r"^missing: the file does not exist or can't be opened$"),
            opened(path),
        ):
            pass


def test_steps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STEPS", 2)
    read = ByteSource(lambda offset, count: b"", 0)
    read.step()
    read.step()
    with pytest.raises(CaseError, match=r"^too-large: the file has more than 2 elements, items and fragments$"):
        read.step()


def test_a_deflated_data_set() -> None:
    plain = os.urandom(900)
    read = inflated(deflated(plain), 0, SMALL)
    assert read.bytes(450, 450) == plain[450:]
    with pytest.raises(CaseError, match=r"^damaged: the file ends before the length that an element states$"):
        read.bytes(450, 451)


def test_a_deflate_bomb_is_not_inflated_beyond_the_limits() -> None:
    read = inflated(deflated(b"\0" * (1 << 27)), 0, SMALL)
    assert read.bytes(0, 2000) == bytes(2000)
    with pytest.raises(CaseError, match=r"^damaged: the file ends before the length that an element states$"):
        read.bytes(0, 1 << 26)  # half of what it would inflate to


def test_what_is_not_deflated() -> None:
    read = inflated(ByteSource(lambda offset, count: (b"\xff" * 100)[offset : offset + count], 100), 0, SMALL)
    with pytest.raises(CaseError, match=r"^damaged: the deflated data set can't be inflated$"):
        read.bytes(0, 1)
