"""Own cases from a data frame, or from a mapping of columns: what is written, and what is refused."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fedgraft.client.prediction.frames import text_of
from fedgraft.common.errors import DataError
from fedgraft.simulations.api import plan
from fedgraft.simulations.planning.frame import FrameSource

FRAME = {
    "age": [50.0, None, 61.5, 70.0],
    "sex": ["f", "m", "m", "f"],
    "ill": [1, 0, 1, 0],
    "hospital": ["a", "a", "b", "b"],
    "pid": ["p1", "p1", "p2", "p3"],
}
TABLE = {"label": "ill", "site": "hospital", "numeric": ["age"], "categorical": ["sex"]}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("frame", [FRAME, pd.DataFrame(FRAME)], ids=["mapping", "pandas"])
def test_a_table_becomes_a_manifest_and_what_a_plan_says_of_it(frame: Any, tmp_path: Path) -> None:
    source = FrameSource.from_frame(frame, **TABLE, patient="pid")
    assert source.cases == 4 and source.file.parent == tmp_path / "cache" / "frames"
    assert source.file.read_text(encoding="utf-8").splitlines() == [
        "age,sex,ill,hospital,pid",
        "50,f,1,a,p1",
        ",m,0,a,p1",
        "61.5,m,1,b,p2",
        "70,f,0,b,p3",
    ]
    made = plan(source=source, data__min_cases=1)
    assert made.data.classes == ("0", "1")
    assert (made.table.numeric, made.table.categorical) == (("age",), ("sex",))
    assert made.data.options["site"] == "hospital" and made.data.options["patient"] == "pid"
    assert made.backbone.name == "table/identity"
    assert any(sentence.startswith("classes found in the labels: 0 (2), 1 (2)") for sentence in made.found)


def test_only_columns_that_are_named_are_written_and_only_for_this_account() -> None:
    frame = {**FRAME, "name": ["Ann", "Ann", "Bob", "Cid"], "region": list("nnss")}
    source = FrameSource.from_frame(frame, **TABLE, patient="pid", keep=["region"])
    lines = source.file.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["age,sex,ill,hospital,pid,region", "50,f,1,a,p1,n"] and "Ann" not in " ".join(lines)
    assert stat.S_IMODE(source.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(source.file.parent.stat().st_mode) == 0o700
    with pytest.raises(DataError, match="the frame has no column regio; it has"):
        FrameSource.from_frame(frame, **TABLE, keep=["regio"])


def test_without_pandas_a_mapping_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert plan(source=FrameSource.from_frame(FRAME, **TABLE, patient="pid")).data.classes == ("0", "1")


def test_the_same_frame_is_the_same_file_and_folder_says_where(tmp_path: Path) -> None:
    first = FrameSource.from_frame(FRAME, **TABLE)
    assert FrameSource.from_frame(pd.DataFrame(FRAME), **TABLE).file == first.file
    elsewhere = FrameSource.from_frame(FRAME, **TABLE, folder=tmp_path / "mine")
    assert elsewhere.file == tmp_path / "mine" / first.file.name


def test_a_column_named_patient_is_taken_for_it() -> None:
    """So that nobody's images come to lie on both sides of a split by an oversight."""
    assert FrameSource.from_frame({**FRAME, "patient": FRAME["pid"]}, **TABLE).options["data.patient"] == "patient"
    assert FrameSource.from_frame(FRAME, **TABLE).options["data.patient"] is None


def test_files_of_images_are_relative_to_root(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "abcd":
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / f"{name}.png")
    frame = {"file": [f"{name}.png" for name in "abcd"], "y": list("uvuv"), "h": list("1122")}
    source = FrameSource.from_frame(frame, path="file", label="y", site="h", root=tmp_path)
    made = plan(source=source, data__image_size=32)
    assert (made.data.classes, made.table) == (("u", "v"), None)
    assert f"{tmp_path}/a.png,u,1" in source.file.read_text(encoding="utf-8")


def test_what_is_empty_or_not_there_is_said_of_the_frame_and_not_of_a_file() -> None:
    for column in ("ill", "hospital", "pid"):
        holes = {**FRAME, column: [FRAME[column][0], None, *FRAME[column][2:3], float("nan")]}
        with pytest.raises(DataError) as caught:
            FrameSource.from_frame(holes, **TABLE, patient="pid")
        assert str(caught.value) == (
            f"the frame's column {column} is empty in 2 of 4 rows (from 0: 1, 3); fill it in, or leave these rows out "
            f"(in pandas frame.dropna(subset=['{column}']))"
        )
    films = {"file": ["a.png", "b.png"], "ill": [0, 1]}
    with pytest.raises(
        DataError, match=r"no file .*films.a\.png, nor any of the first 2 of the frame's column file; name"
    ):
        FrameSource.from_frame(films, path="file", label="ill", root="films")


def test_findings_and_survival_are_tasks_of_their_own() -> None:
    findings = FrameSource.from_frame(FRAME, site="hospital", numeric=["age"], findings=["ill"])
    assert findings.options["data.task"] == "multilabel" and findings.options["data.classes"] == ["ill"]
    survival = FrameSource.from_frame(
        {**FRAME, "days": [3, 5, 8, 2]}, site="hospital", numeric=["age"], time="days", event="ill"
    )
    assert (survival.options["data.task"], survival.options["data.time"]) == ("survival", "days")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "dead", "numeric": ["agee"]}, "the frame has no column dead, agee; it has: age, sex, ill, hospital"),
        ({"label": None}, "say what is predicted, by one of: label; findings; time and event"),
        ({"time": "age", "event": "ill"}, "say what is predicted, by one of: label; findings; time and event"),
        ({"numeric": (), "categorical": ()}, "give either path .*, or numeric and categorical columns of a table"),
        ({"path": "pid"}, "give either path"),
    ],
)
def test_what_is_not_said_or_said_twice_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        FrameSource.from_frame(FRAME, **{**TABLE, **changes})


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1, 2], "give a data frame with columns, or a mapping from column to values"),
        ({"a": []}, "the frame has no rows"),
        ({"a": [1], "b": [1, 2]}, "the columns differ in length: a 1, b 2"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"the frame has the column\(s\) a twice; rename one"),
        ({0: [1], "0": [2], "a": [3]}, r"the frame has the column\(s\) 0 twice; rename one \(1 and '1' are one name\)"),
    ],
)
def test_what_is_no_frame_is_named(frame: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        FrameSource.from_frame(frame, label="a", numeric=["a"])


def test_values_become_text_as_a_parquet_file_s_do() -> None:
    missing = [None, float("nan"), pd.NA, pd.NaT, np.float32("nan")]
    assert [text_of(value) for value in missing] == [""] * 5
    given = [True, np.bool_(False), 3.0, np.int64(7), 0.1, np.float32(0.5), " a ", float("inf"), 2.0**60]
    assert [text_of(value) for value in given] == ["1", "0", "3", "7", "0.1", "0.5", "a", "inf", str(2.0**60)]
