"""The key of what is kept of a case."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedgraft.client.case_keys import case_keys
from fedgraft.client.manifest import Case
from fedgraft.common.errors import DataError


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
