"""What a file holds, and when it must be read again to know it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import xxhash

from fedgraft.client.images.content import ContentIndex, digest_of, stamp_of
from fedgraft.client.site.row_store import Store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "series" / "scan.png"
    path.parent.mkdir()
    written(path, b"12345")
    return path


def written(path: Path, content: bytes) -> None:
    """With the same time each time."""
    path.write_bytes(content)
    os.utime(path, ns=(10**18, 10**18))


def test_a_stamp_changes_with_the_file_s_name_size_and_time(file: Path) -> None:
    stamps = [stamp_of(file)]
    os.utime(file, ns=(10**18, 10**18 + 1))
    stamps.append(stamp_of(file))
    written(file, b"123456")
    stamps.append(stamp_of(file))
    written(file, b"12345")
    stamps.append(stamp_of(file.rename(file.with_name("other.png"))))
    assert all(stamp is not None and len(stamp) == 32 for stamp in stamps)
    assert len(set(stamps)) == 4


def test_a_stamp_does_not_read_the_file(file: Path) -> None:
    before = stamp_of(file)
    written(file, b"54321")
    assert stamp_of(file) == before


def test_a_folder_s_stamp_changes_with_each_of_its_files(file: Path) -> None:
    """And is not that of its only file, of which the content has another digest."""
    stamps = [stamp_of(file.parent), stamp_of(file)]
    written(file.with_name("second.png"), b"1")
    stamps.append(stamp_of(file.parent))
    written(file.with_name("second.png"), b"12")
    stamps.append(stamp_of(file.parent))
    (file.parent / "folder").mkdir()
    assert stamp_of(file.parent) == stamps[-1], "folders within are not of the series"
    assert len(set(stamps)) == 4


def test_what_is_not_there_or_may_never_end_has_no_stamp(file: Path) -> None:
    os.mkfifo(file.with_name("pipe"))
    for path in (file.with_name("gone"), file / "below", file.with_name("x" * 300), file.with_name("pipe")):
        assert stamp_of(path) is None
    assert stamp_of(Path("/dev/zero")) is None
    file.with_name("loop").symlink_to(file.with_name("loop"))
    assert stamp_of(file.with_name("loop")) is None


def one_of(content: bytes) -> bytes:
    return xxhash.xxh3_128(content, seed=0).digest() + xxhash.xxh3_128(content, seed=1).digest()


def test_the_digest_of_a_file(file: Path) -> None:
    assert digest_of(file) == one_of(b"12345")
    written(file, b"x" * 300_000)  # more than is read at once
    assert digest_of(file) == one_of(b"x" * 300_000)
    with pytest.raises(OSError, match="No such file"):
        digest_of(file.with_name("gone"))


def test_the_digest_of_a_folder_is_of_its_files_in_order_and_not_of_their_names(file: Path) -> None:
    written(file.with_name("a.png"), b"1")
    parts = one_of(b"1") + one_of(b"12345")
    assert digest_of(file.parent) == hashlib.sha256(parts).digest()
    file.rename(file.with_name("b.png"))
    assert digest_of(file.parent) == hashlib.sha256(parts).digest()
    file.with_name("b.png").rename(file.with_name("0.png"))
    assert digest_of(file.parent) != hashlib.sha256(parts).digest()


@pytest.mark.parametrize("folder", ["kept", None])
def test_an_index_knows_what_was_added(tmp_path: Path, folder: str | None) -> None:
    store = Store(None if folder is None else tmp_path / folder)
    index = ContentIndex(store)
    stamps, digests = [bytes([n]) * 32 for n in range(3)], [bytes([n]) * 32 for n in range(100, 103)]
    assert index.known(stamps) == [None, None, None]
    index.add(stamps[:2], digests[:2])
    index.add(stamps[2:], digests[2:])
    again = ContentIndex(store if folder is None else Store(tmp_path / folder))
    assert again.known([stamps[2], b"?" * 32, stamps[0]]) == [digests[2], None, digests[0]]
    assert again.known([]) == []
