"""Files that lie at several simulated hospitals, whatever they are called."""

from __future__ import annotations

import os
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.simulations.federation.copies import copy_sentences


def written(folder: Path, **files: bytes) -> dict[str, str]:
    for name, content in files.items():
        (folder / f"{name}.dcm").write_bytes(content)
    return {name: str(folder / f"{name}.dcm") for name in files}


def test_copies_are_counted_across_hospitals_and_those_with_another_label_too(tmp_path: Path) -> None:
    middle = bytearray(os.urandom(200_000))
    other = bytearray(middle)
    other[100_000] ^= 1  # between the ends that are looked at first
    at = written(tmp_path, a=b"film", b=b"film", c=b"scan", d=b"scan", e=b"f1lm", f=bytes(middle), g=bytes(other))
    north = [Case(at["a"], "ill", "p1"), Case(at["c"], "ill", "p2"), Case(at["f"], "ill", "p3")]
    south = [Case(at["b"], "well", "q1"), Case(at["d"], "ill", "q2"), Case(at["e"], "ill", "q3")]
    south += [Case(at["g"], "ill", "q4"), Case(str(tmp_path / "gone.dcm"), "ill", "q5")]
    assert copy_sentences({"north": north, "south": south}) == [
        "2 file(s) lie at more than one hospital (as at north and south) under other names, 1 of them with another "
        "label there: what one hospital trains on another tests on; keep each at one hospital"
    ]
    assert copy_sentences({"north": north[1:2], "south": south[1:2]})[0].startswith("1 file(s) lie at more than one")
    assert "another label" not in copy_sentences({"north": north[1:2], "south": south[1:2]})[0]


def test_copies_at_one_hospital_are_its_own_matter_and_rows_share_a_file(tmp_path: Path) -> None:
    at = written(tmp_path, a=b"film", b=b"film")
    assert copy_sentences({"north": [Case(at["a"], "x", "p1"), Case(at["b"], "x", "p2")], "south": []}) == []
    rows = {name: [Case(f"{at['a']}::images", "x", f"p{row}", row)] for row, name in enumerate(("north", "south"))}
    assert copy_sentences(rows) == []
