"""Rows that are kept: keys, values, several processes, interruption and damage; on disk and in memory alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fedgraft.client.site.row_store import ABSENT, KEY_BYTES, KeptInMemory, KeptOnDisk, RowStore, Store
from fedgraft.common.errors import DataError

pytestmark = pytest.mark.processes

SHAPE = (2, 3)
WRITER = """
import sys
from pathlib import Path
import numpy as np
from fedgraft.client.site.row_store import ABSENT, KeptOnDisk
kept, start = KeptOnDisk(Path(sys.argv[1]), (50,), "float32"), int(sys.argv[2])
for number in range(start, start + 200):
    key = number.to_bytes(32, "little")
    kept.add([key], np.full((1, 50), number, np.float32))
    (place,) = kept.places([key])
    assert kept.rows()[place][0] == number
"""
Kind = Callable[[], RowStore]


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "little")


def row(*numbers: int) -> np.ndarray:
    return np.stack([np.full(SHAPE, number, np.float32) for number in numbers])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store" / "kind"


@pytest.fixture
def disk(folder: Path) -> KeptOnDisk:
    return KeptOnDisk(folder, SHAPE, "float32")


@pytest.fixture(params=["disk", "memory"])
def kept(request: pytest.FixtureRequest, disk: KeptOnDisk) -> RowStore:
    return disk if request.param == "disk" else KeptInMemory(SHAPE, "float32")


def values(kept: RowStore, *numbers: int) -> list[float]:
    """The first number of each key's row."""
    places = kept.places([key(number) for number in numbers])
    assert (places != ABSENT).all()
    return [float(found[0, 0]) for found in kept.rows()[torch.from_numpy(places)]]


def test_nothing_is_kept_at_first_and_reading_makes_no_file(disk: KeptOnDisk) -> None:
    assert disk.places([key(1)]).tolist() == [ABSENT]
    assert disk.rows().shape == (0, *SHAPE)
    assert not disk.folder.parent.exists()


def test_what_is_added_is_found(kept: RowStore) -> None:
    kept.add([key(1), key(2)], np.arange(12, dtype=np.float32).reshape(2, *SHAPE))
    assert kept.places([key(2), key(9), key(1)]).tolist() == [1, ABSENT, 0]
    assert kept.rows()[1].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert kept.rows().dtype == torch.float32


def test_many_batches(kept: RowStore) -> None:
    for start in range(0, 1300, 100):
        kept.add([key(n) for n in range(start, start + 100)], row(*range(start, start + 100)))
    assert values(kept, 1299, 0, 700) == [1299, 0, 700]
    assert kept.places([]).tolist() == []


def test_what_is_there_stays_as_it_is(kept: RowStore) -> None:
    kept.add([key(1)], row(1))
    kept.add([key(1), key(2)], row(7, 2))
    assert values(kept, 1, 2) == [1, 2]


def test_a_key_given_twice_is_kept_once(kept: RowStore) -> None:
    kept.add([key(1), key(1), key(2)], row(1, 8, 2))
    assert values(kept, 1, 2) == [1, 2]
    assert len(kept.rows()) == 2


def test_rows_taken_before_more_were_added_stay_valid(kept: RowStore) -> None:
    kept.add([key(1)], row(1))
    before = kept.rows()
    kept.add([key(n) for n in range(2, 50)], row(*range(2, 50)))
    assert before[0, 0, 0] == 1 and len(kept.rows()) == 49


def test_half_precision(folder: Path) -> None:
    for kept in (KeptOnDisk(folder, SHAPE, "float16"), KeptInMemory(SHAPE, "float16")):
        kept.add([key(1)], row(3))
        assert kept.rows().dtype == torch.float16 and values(kept, 1) == [3]


def test_another_object_for_the_same_folder_sees_it_at_once(disk: KeptOnDisk) -> None:
    other = KeptOnDisk(disk.folder, SHAPE, "float32")
    assert other.places([key(1)]).tolist() == [ABSENT]
    disk.add([key(1)], row(1))
    assert values(other, 1) == [1]


def test_the_file_is_mapped_not_read(disk: KeptOnDisk) -> None:
    """A change of the file shows: the rows are its pages."""
    disk.add([key(1)], row(1))
    rows = disk.rows()
    with (disk.folder / "rows.bin").open("r+b") as stream:
        stream.write(np.full(SHAPE, 5, np.float32).tobytes())
    assert rows[0, 0, 0] == 5


@pytest.mark.parametrize("rest", [b"", b"x" * 7])
def test_an_interrupted_write_leaves_nothing(disk: KeptOnDisk, rest: bytes) -> None:
    """Rows without their keys, and half a key: both are overwritten."""
    disk.add([key(1)], row(1))
    with (disk.folder / "rows.bin").open("ab") as stream:
        stream.write(b"half a row")
    with (disk.folder / "index.bin").open("ab") as stream:
        stream.write(rest)
    again = KeptOnDisk(disk.folder, SHAPE, "float32")
    assert again.places([key(1), key(2)]).tolist() == [0, ABSENT]
    again.add([key(2), key(3)], row(2, 3))
    assert values(KeptOnDisk(disk.folder, SHAPE, "float32"), 1, 2, 3) == [1, 2, 3]


def _shorten(folder: Path) -> None:
    with (folder / "rows.bin").open("r+b") as stream:
        stream.truncate(10)


def _other_kind(folder: Path) -> None:
    (folder / "kind.json").write_text(json.dumps({"shape": [7], "dtype": "float32"}))


def _garbage(folder: Path) -> None:
    (folder / "index.bin").write_bytes(b"garbage" * 1000)


def _no_rows(folder: Path) -> None:
    (folder / "rows.bin").unlink()


@pytest.mark.parametrize("damage", [_shorten, _other_kind, _garbage, _no_rows])
def test_a_damaged_folder_is_put_aside_and_filled_again(
    disk: KeptOnDisk, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    disk.add([key(1)], row(1))
    damage(disk.folder)
    again = KeptOnDisk(disk.folder, SHAPE, "float32")
    assert again.places([key(1)]).tolist() == [ABSENT]
    again.add([key(1)], row(4))
    assert "was damaged; they are computed again" in caplog.text
    assert values(KeptOnDisk(disk.folder, SHAPE, "float32"), 1) == [4]


@pytest.mark.parametrize("index", [None, b"", key(8), key(8) + key(9) + key(10)])
def test_a_store_that_is_taken_away_while_in_use_is_an_error(disk: KeptOnDisk, index: bytes | None) -> None:
    """Numbering its rows anew would give the cases of one site to another."""
    disk.add([key(1), key(2)], row(1, 2))
    (disk.folder / "index.bin").unlink()
    if index is not None:
        (disk.folder / "index.bin").write_bytes(index)
    for use in (lambda: disk.places([key(1)]), lambda: disk.add([key(3)], row(3))):
        with pytest.raises(DataError, match=r"kind was removed or replaced while it was in use; start again"):
            use()


def test_a_store_that_is_damaged_while_in_use_is_an_error(disk: KeptOnDisk) -> None:
    disk.add([key(1)], row(1))
    KeptOnDisk(disk.folder, SHAPE, "float32").add([key(2)], row(2))
    _shorten(disk.folder)
    with pytest.raises(DataError, match=r"kind was damaged while it was in use; start again"):
        disk.places([key(1)])


def test_a_folder_that_can_not_be_read_is_an_error(disk: KeptOnDisk) -> None:
    disk.add([key(1)], row(1))
    (disk.folder / "index.bin").unlink()
    (disk.folder / "index.bin").mkdir()
    with pytest.raises(DataError, match=r"kind can't be read .*is the disk full or gone\?"):
        KeptOnDisk(disk.folder, SHAPE, "float32").places([key(1)])


def test_two_processes_write_and_read_at_once(folder: Path) -> None:
    """They write halves that overlap; nothing is lost and nothing is locked out."""
    starts = ("0", "100")
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), start], stderr=subprocess.PIPE, text=True)
        for start in starts
    ]
    errors = [process.communicate()[1] for process in running]
    assert errors == ["", ""]
    kept = KeptOnDisk(folder, (50,), "float32")
    places = kept.places([key(number) for number in range(300)])
    assert sorted(places.tolist()) == list(range(300))
    assert kept.rows()[torch.from_numpy(places)][:, 0].tolist() == list(range(300))


def test_a_store_opens_each_kind_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.kind("ab" * 32, SHAPE, "float32")
    assert store.kind("ab" * 32, SHAPE, "float32") is first
    assert store.kind("cd" * 32, SHAPE, "float32") is not first
    assert store.kind("ab" * 32, SHAPE, "float16") is not first
    assert isinstance(Store(None).kind("ab" * 32, SHAPE, "float32"), KeptInMemory)
