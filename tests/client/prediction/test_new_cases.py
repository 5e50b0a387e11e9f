"""Manifests of new cases: what they may lack, and which line a case is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.prediction.new_cases import read_new_cases
from fedgraft.common.errors import DataError


def written(folder: Path, text: str) -> Path:
    path = folder / "new.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_enough(tmp_path: Path) -> None:
    found = read_new_cases(written(tmp_path, "path\na.dcm\nsub/b.dcm\n"))
    assert [case.path for case in found.listed] == [str(tmp_path / "a.dcm"), str(tmp_path / "sub" / "b.dcm")]
    assert [case.patient for case in found.listed] == ["line 2", "line 3"]
    assert found.place(found.listed[1]) == {"line": 3, "path": "sub/b.dcm", "row": ""}


def test_labels_splits_and_groups_are_not_looked_at_and_patients_are_kept(tmp_path: Path) -> None:
    text = "split,path,label,patient,group,age\n,a.png,,P1,x,50\nnonsense,b.png,ill,,,60\n"
    found = read_new_cases(written(tmp_path, text))
    assert [(case.label, case.split, case.patient) for case in found.listed] == [("", None, "P1"), ("", None, "line 3")]
    assert [case.columns for case in found.listed] == [(("age", "50"),), (("age", "60"),)]


def test_of_a_series_the_row_says_which_slice(tmp_path: Path) -> None:
    found = read_new_cases(written(tmp_path, "path,row\nct,\nstack.npz::a,4\n"))
    assert found.place(replace(found.listed[0], row=2)) == {"line": 2, "path": "ct", "row": "2"}
    assert found.place(found.listed[1]) == {"line": 3, "path": "stack.npz::a", "row": "4"}


def test_of_a_table_the_line_is_all(tmp_path: Path) -> None:
    found = read_new_cases(written(tmp_path, "age,sex\n50,f\n60,m\n"))
    assert found.place(found.listed[1]) == {"line": 3, "path": "", "row": ""}
    assert found.listed[1].row == 1


def test_what_is_wrong_is_said_as_for_training(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"manifest .*new.csv does not exist; --manifest must name a CSV or Parquet file"
    ):
        read_new_cases(tmp_path / "new.csv")
    with pytest.raises(DataError, match=r"lists no case"):
        read_new_cases(written(tmp_path, "path\n"))
    with pytest.raises(DataError, match=r"lines 2 and 3 name the same case; delete one"):
        read_new_cases(written(tmp_path, "path\na.png\na.png\n"))
    with pytest.raises(DataError, match=r"lines 2 and 3 name the same case, with different patients; correct or"):
        read_new_cases(written(tmp_path, "path,patient\na.png,p\na.png,q\n"))
    with pytest.raises(DataError, match=r"`path` is empty in 1 of 2 lines"):
        read_new_cases(written(tmp_path, "path,age\na.png,1\n,2\n"))
