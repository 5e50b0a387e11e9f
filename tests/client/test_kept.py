"""What is kept on disk: keys, values, several processes, and files that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgraft.client.kept import Kept, case_keys
from fedgraft.client.manifest import Case
from fedgraft.common.errors import DataError

WRITER = """
import sys
from pathlib import Path
import numpy as np
from fedgraft.client.kept import Kept
kept, start = Kept(Path(sys.argv[1])), int(sys.argv[2])
for number in range(start, start + 200):
    key = number.to_bytes(4, "little")
    kept.write({key: np.full(50, number, np.float32)})
    assert kept.read([key])[key][0] == number
"""


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


def same(first: Mapping[bytes, NDArray[np.float32]], second: Mapping[bytes, NDArray[np.float32]]) -> bool:
    return set(first) == set(second) and all(np.array_equal(first[k], second[k]) for k in first)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "store" / "kept.sqlite")


def test_nothing_is_kept_at_first_and_reading_makes_no_file(kept: Kept) -> None:
    assert kept.read([key(1)]) == {}
    assert not kept.path.parent.exists()


def test_what_is_written_is_read_back_flat(kept: Kept) -> None:
    arrays = {key(1): np.array([1.5, -2.0], np.float32), key(2): np.arange(6, dtype=np.float32).reshape(2, 3)}
    kept.write(arrays)
    found = kept.read([key(1), key(2)])
    assert same(found, {name: array.reshape(-1) for name, array in arrays.items()})
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


def test_several_keys_and_only_those_that_are_there(kept: Kept) -> None:
    arrays = {key(n): np.full(3, n, np.float32) for n in range(1300)}
    kept.write(arrays)
    assert same(kept.read(list(arrays)), arrays)
    assert set(kept.read([key(1299), key(4000), key(7)])) == {key(7), key(1299)}
    assert kept.read([]) == {}


def test_a_key_asked_twice_is_found_once(kept: Kept) -> None:
    kept.write({key(1): np.ones(1, np.float32)})
    assert set(kept.read([key(1)] * 1200)) == {key(1)}


def test_what_is_there_stays_as_it_is(kept: Kept) -> None:
    kept.write({key(1): np.ones(1, np.float32)})
    kept.write({key(1): np.zeros(1, np.float32), key(2): np.zeros(1, np.float32)})
    assert kept.read([key(1), key(2)])[key(1)].tolist() == [1.0]


def test_another_object_for_the_same_file_sees_it(kept: Kept) -> None:
    kept.write({key(1): np.ones(1, np.float32)})
    assert key(1) in Kept(kept.path).read([key(1)])


def test_an_interrupted_write_leaves_nothing(kept: Kept) -> None:
    class Broken(dict[bytes, NDArray[np.float32]]):
        def items(self) -> object:  # type: ignore[override]
            yield key(1), np.ones(1, np.float32)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.write(Broken())
    assert kept.read([key(1)]) == {}


def test_two_processes_write_and_read_at_once(kept: Kept) -> None:
    """They write halves that overlap; nothing is lost and nothing is locked out."""
    starts = ("0", "100")
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(kept.path), start], stderr=subprocess.PIPE, text=True)
        for start in starts
    ]
    errors = [process.communicate()[1] for process in running]
    assert errors == ["", ""]
    assert [process.returncode for process in running] == [0, 0]
    assert same(kept.read([key(n) for n in range(300)]), {key(n): np.full(50, n, np.float32) for n in range(300)})


def case(path: Path, row: int | None = None, array: str = "") -> Case:
    return Case(f"{path}::{array}" if array else str(path), "a", "p1", row)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    path.write_bytes(b"12345")
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_equal_cases_have_equal_keys(file: Path) -> None:
    first, second = case_keys([case(file), case(file)], "space")
    assert first == second
    assert len(first) == 32


def test_the_label_and_patient_are_no_part_of_a_key(file: Path) -> None:
    """What is kept depends on the pixels only; a corrected label needs no new computation."""
    other = Case(str(file), "b", "p2", split="val")
    assert case_keys([other], "space") == case_keys([case(file)], "space")


def test_a_key_changes_with_the_namespace_the_row_and_the_array(file: Path) -> None:
    keys = [
        *case_keys([case(file), case(file, 0), case(file, 1), case(file, 1, "x"), case(file, 1, "y")], "space"),
        *case_keys([case(file)], "other"),
    ]
    assert len(set(keys)) == 6


def test_a_key_changes_with_the_file_s_size_and_time(file: Path) -> None:
    before = case_keys([case(file)], "space")
    os.utime(file, ns=(10**18, 10**18 + 1))
    assert case_keys([case(file)], "space") != before
    file.write_bytes(b"123456")
    os.utime(file, ns=(10**18, 10**18))
    assert case_keys([case(file)], "space") != before
    file.write_bytes(b"54321")
    os.utime(file, ns=(10**18, 10**18))
    assert case_keys([case(file)], "space") == before


def test_a_file_that_is_gone_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.npz does not exist or can't be read; correct the manifest's `path`"):
        case_keys([case(tmp_path / "gone.npz", 1, "x")], "space")
