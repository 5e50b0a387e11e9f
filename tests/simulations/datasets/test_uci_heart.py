"""UCI heart: hospitals and counts as published, FLamby's cases and split, missing values, and damaged files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.datasets.uci_heart import FEATURES, HOSPITALS, KEPT, flamby_split, uci_heart

LINES = (
    "63.0,1.0,1.0,145.0,233.0,1.0,2.0,150.0,0.0,2.3,3.0,0.0,6.0,0",
    "41,0,2,0,0,0,0,120,0,.5,?,?,?,3",
    "35,1,4,?,250,?,0,130,1,?,?,?,7,1",
)


def folder_of(root: Path, lines: tuple[str, ...] = LINES) -> Path:
    for hospital in HOSPITALS:
        file = root / "uci_heart" / f"processed.{hospital}.data"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="ascii")
    return root


def table_of(source: Source, hospital: str) -> list[dict[str, str]]:
    path = next(case.path for case, site in zip(source.cases, source.site_of or (), strict=True) if site == hospital)
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_all_rows_keep_what_is_missing(tmp_path: Path) -> None:
    root, cache = folder_of(tmp_path / "root"), tmp_path / "cache"
    source = uci_heart(root=root, cache=cache, rows="all")
    assert source.site_of == tuple(hospital for hospital in HOSPITALS for _ in range(3))
    first = source.cases[0]
    assert (first.row, first.label, first.split, first.columns) == (0, "absent", None, (("sex", "M"), ("age", "63")))
    assert Path(first.path).is_relative_to(cache)
    assert [case.label for case in source.cases[:3]] == ["absent", "present", "present"]
    table = table_of(source, "va")
    assert tuple(table[0]) == FEATURES
    assert list(table[0].values()) == ["63", "M", "1", "145", "233", "1", "2", "150", "0", "2.3", "3", "0", "6"]
    assert list(table[1].values()) == ["41", "F", "2", "", "", "0", "0", "120", "0", "0.5", "", "", ""]  # 0 mg/dl
    assert [name for name, cell in table[2].items() if not cell] == ["trestbps", "fbs", "oldpeak", "slope", "ca"]


def test_flamby_s_rows_are_complete_in_the_first_ten_columns(tmp_path: Path) -> None:
    source = uci_heart(root=folder_of(tmp_path, LINES * 2), cache=tmp_path / "cache")
    assert len(source.cases) == 4 * 4  # "0" counts as a value there, "?" does not
    assert tuple(table_of(source, "cleveland")[0]) == KEPT
    assert {case.split for case in source.cases} == {"train", "test"}


def test_a_second_start_writes_nothing_and_gives_the_same(tmp_path: Path) -> None:
    root, cache = folder_of(tmp_path / "root"), tmp_path / "cache"
    first = uci_heart(root=root, cache=cache, rows="all")
    times = {file: file.stat().st_mtime_ns for file in cache.rglob("*.csv")}
    assert uci_heart(root=root, cache=cache, rows="all") == first
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*") if file.is_file()} == times
    assert len(times) == 4


def test_the_split_is_stratified_only_if_both_classes_have_three_cases() -> None:
    ill = [False] * 50 + [True] * 50
    tests = [sick for sick, side in zip(ill, flamby_split(ill), strict=True) if side == "test"]
    assert Counter(tests) == {False: 17, True: 17}  # 34 of 100
    assert Counter(flamby_split([True] * 44 + [False] * 2)) == {"train": 30, "test": 16}


@pytest.mark.parametrize(
    "line",
    [
        "63,1,1,145,233,1,2,150,0,2.3,3,0,6",
        "63,1,1,145,233,1,2,150,0,2.3,3,0,6,0,0",
        "63,2,1,145,233,1,2,150,0,2.3,3,0,6,0",
        "63,1,1,145,233,1,2,150,0,2.3,3,0,6,?",
        "63,1,1,145,233,1,2,high,0,2.3,3,0,6,0",
        "63,1,1,145,233,1,2,inf,0,2.3,3,0,6,0",
    ],
)
def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    root = folder_of(tmp_path, (LINES[0], line))
    with pytest.raises(DataError, match=r"cleveland\.data, line 2: 14 numbers or \? are expected, with sex 0 or 1 and"):
        uci_heart(root=root, cache=tmp_path / "cache")


def test_a_damaged_or_empty_file(tmp_path: Path) -> None:
    file = folder_of(tmp_path) / "uci_heart" / "processed.va.data"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"va\.data is damaged: it is not lines of numbers; get it again"):
        uci_heart(root=tmp_path, cache=tmp_path / "cache")
    file.write_bytes(b"\n")
    with pytest.raises(DataError, match=r"va\.data lists no case"):
        uci_heart(root=tmp_path, cache=tmp_path / "cache")


def test_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not here: FEDGRAFT_DATA is not set; set .* uci_heart/processed"):
        uci_heart(root=None, cache=tmp_path)


def test_the_hospitals_themselves(tmp_path: Path, real: Callable[[str], Path]) -> None:
    source = uci_heart(root=real("uci_heart"), cache=tmp_path, rows="all")
    cases = zip(source.site_of or (), (case.label for case in source.cases), strict=True)
    assert Counter(cases) == {
        ("cleveland", "absent"): 164,
        ("cleveland", "present"): 139,
        ("hungarian", "absent"): 188,
        ("hungarian", "present"): 106,
        ("switzerland", "absent"): 8,
        ("switzerland", "present"): 115,
        ("va", "absent"): 51,
        ("va", "present"): 149,
    }
    assert not any(line["chol"] for line in table_of(source, "switzerland"))


def test_flamby_s_split_itself(tmp_path: Path, real: Callable[[str], Path]) -> None:
    """Positions and counts from a program of ours that reads the files with pandas, as FLamby does."""
    source = uci_heart(root=real("uci_heart"), cache=tmp_path)
    found: dict[str, list[tuple[int, str]]] = {hospital: [] for hospital in HOSPITALS}
    for case, hospital in zip(source.cases, source.site_of or (), strict=True):
        if case.split == "test":
            found[hospital].append((case.row or 0, case.label))
    sizes = Counter(source.site_of)
    assert {site: (sizes[site] - len(tests), len(tests)) for site, tests in found.items()} == {
        "cleveland": (199, 104),
        "hungarian": (172, 89),
        "switzerland": (30, 16),
        "va": (85, 45),
    }
    assert {site: sum(row for row, _ in tests) for site, tests in found.items()} == {
        "cleveland": 16832,
        "hungarian": 11704,
        "switzerland": 326,
        "va": 3089,
    }
    ill = {site: sum(label == "present" for _, label in tests) for site, tests in found.items()}
    assert ill == {"cleveland": 48, "hungarian": 33, "switzerland": 15, "va": 35}
    assert len({case.patient for case in source.cases}) == 740
