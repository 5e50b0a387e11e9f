"""Cases of a table: where their cells come from, their keys, and which can be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, Inputs
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.quarantine import CaseError, reason_of
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.common.errors import DataError, PlanError, WrongKindError
from fedgraft.common.plan.data_sections import TableSection

TABLE = TableSection(
    numeric=("age",),
    categorical=("sex",),
    missing=("?",),
    indicate_missing=False,
    statistics="plan",
    min_count=1,
    means={"age": 50.0},
    deviations={"age": 10.0},
    vocabulary={"sex": ("f", "m")},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("id,age,sex\n1,60,m\n2,?,f\n3,1.5.2,f\n4,40\n5,60,m\n", encoding="utf-8")
    return path


def inputs(table: TableSection = TABLE) -> TableInputs:
    return TableInputs(table, TableFiles())


def case(file: Path | str, row: int | None, **columns: str) -> Case:
    return Case(str(file), "a", f"p{row}", row, columns=tuple(columns.items()))


def encoded(found: Inputs, *cases: Case, batch: int = 2) -> list[list[float]]:
    return [row for _, part in found.batches([CaseView(one) for one in cases], batch) for row in part.tolist()]


def test_by_hand(file: Path) -> None:
    assert encoded(inputs(), case(file, 0), case(file, 1), case(file, 4)) == [[1.0, 2], [0.0, 1], [1.0, 2]]


def test_batches_cover_all_in_order(file: Path) -> None:
    wanted = [CaseView(case(file, row)) for row in (0, 1, 4)]
    parts = list(inputs().batches(wanted, 2))
    assert [part for part, _ in parts] == [slice(0, 2), slice(2, 3)]
    assert {str(rows.dtype) for _, rows in parts} == {"torch.float32"}
    assert list(inputs().batches([], 2)) == []


def test_the_manifest_s_own_columns_come_first(file: Path) -> None:
    assert encoded(inputs(), case(file, 0, age="30"), case(file, 0, sex="f")) == [[-2.0, 2], [1.0, 1]]


def test_a_manifest_that_is_the_table_needs_no_file() -> None:
    assert encoded(inputs(), case("/no/manifest.csv", 7, age="30", sex="?")) == [[-2.0, 0]]


def test_reasons(file: Path, tmp_path: Path) -> None:
    cases = [case(file, row) for row in (0, 1, 2, 3, 5, None)] + [case(tmp_path / "gone.csv", 0)]
    reasons = [None, None, "bad-value", "inconsistent", "no-row", "no-row", "missing"]
    assert inputs().reasons(cases) == reasons
    assert [reason_of(verdict) for verdict in inputs().verdicts(cases)] == reasons


def test_an_error_names_the_column_and_no_cell(file: Path) -> None:
    with pytest.raises(
        CaseError, match=r"^bad-value: a cell of the numeric column age is neither missing nor a number$"
    ):
        inputs().rows([case(file, 2)])


def test_columns_that_are_nowhere_are_an_error_that_names_them(file: Path) -> None:
    table = replace(TABLE, numeric=("age", "weight"), categorical=("sex", "pain"))
    with pytest.raises(DataError, match=r"has the column\(s\) weight, pain; rename them as in the plan's `table`"):
        inputs(table).verdicts([case(file, 0)])


def test_keys_are_of_the_content_of_the_plan_s_columns(file: Path) -> None:
    first, second, third, same = inputs().keys([CaseView(case(file, row)) for row in (0, 1, 2, 4)])
    assert first == same
    assert len({first, second, third}) == 3
    assert all(len(key) == 32 for key in (first, second))


def test_one_edited_cell_changes_one_key(file: Path) -> None:
    wanted = [CaseView(case(file, row)) for row in (0, 1, 4)]
    before = inputs().keys(wanted)
    file.write_text(file.read_text().replace("2,?,f", "2,51,f").replace("1,60,m", "99,60,m"), encoding="utf-8")
    after = inputs().keys(wanted)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_cells_can_t_run_together(file: Path) -> None:
    keys = inputs().keys([CaseView(case("/m", 0, age="1", sex="2")), CaseView(case("/m", 1, age="12", sex=""))])
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"means": {"age": 51.0}},
        {"deviations": {"age": 11.0}},
        {"vocabulary": {"sex": ("m", "f")}},
        {"missing": ()},
        {"indicate_missing": True},
        {"numeric": ("years",)},
    ],
)
def test_the_fingerprint_changes_with_the_encoding(changes: dict[str, object]) -> None:
    assert inputs(replace(TABLE, **changes)).fingerprint != inputs().fingerprint  # type: ignore[arg-type]


def test_the_fingerprint_is_of_the_encoding_alone() -> None:
    assert inputs(replace(TABLE, min_count=9)).fingerprint == inputs().fingerprint


def test_another_view_has_no_meaning(file: Path) -> None:
    wanted = [CaseView(case(file, 0), 1)]
    with pytest.raises(DataError, match=r"a row of a table has no other view than itself; set augment.views=1"):
        inputs().keys(wanted)
    with pytest.raises(DataError, match="no other view"):
        list(inputs().batches(wanted, 1))


def test_without_statistics_rows_are_read_but_not_encoded(file: Path) -> None:
    table = replace(TABLE, statistics="federated", means={}, deviations={}, vocabulary={})
    assert inputs(table).rows([case(file, 0)])[0].texts == ("m",)
    with pytest.raises(PlanError, match=r"table.statistics=federated"):
        encoded(inputs(table), case(file, 0))


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.txt", "manifest"])
def test_a_column_that_the_manifest_lacks_is_named_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("label,patient,sex\na,p1,f\n", encoding="utf-8")
    (one,) = read_manifest(tmp_path / name)
    with pytest.raises(DataError, match=r"neither the manifest nor the table that it names has the column\(s\) age;"):
        inputs().reasons([one])


def test_a_file_that_is_no_manifest_stays_unsupported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("age;sex\n50;f\n", encoding="utf-8")
    assert inputs().reasons([case(tmp_path / "notes.txt", 0), case(tmp_path, 0)]) == ["unsupported", "unsupported"]


def test_images_are_no_rows(tmp_path: Path) -> None:
    """Unless the manifest itself has the plan's columns."""
    film = tmp_path / "1.png"
    assert inputs().expanded([case(film, None, age="60", sex="m")]) != ()
    with pytest.raises(WrongKindError, match=r"2 case\(s\) are no rows of a table, and the plan is for a table"):
        inputs().expanded([case(film, None, age="60"), case(tmp_path / "2.png", None)])
    with pytest.raises(
        DataError, match=r"neither the manifest .* has the column\(s\) sex; rename them as in the plan's"
    ):
        inputs().expanded([case(tmp_path / "cells.npz", 0, age="60")])  # as `predict` has a row of a frame


def test_what_is_far_from_all_that_the_hospitals_had_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ages.csv"
    path.write_text("age,sex\n150,m\n151,m\n?,f\n1e9,f\n", encoding="utf-8")
    rows = [case(path, row) for row in range(4)]
    far = ("age is far outside what the hospitals' tables had",)
    assert inputs().outlying(rows) == [(), far, (), far] and inputs().outlying([]) == []
    asked = replace(TABLE, statistics="federated", means={}, deviations={}, vocabulary={})
    assert inputs(asked).outlying(rows) == [(), (), (), ()]  # nothing is known yet


def test_numbers_apart_from_all_others_here_are_remarked(tmp_path: Path) -> None:
    path = tmp_path / "ages.csv"
    path.write_text("age,sex\n" + "".join(f"{age},m\n" for age in [*range(30, 60), 999, "x"]), encoding="utf-8")
    (said,) = inputs().remarks([case(path, row) for row in range(32)])
    assert ": age 1: correct them" in said
    assert inputs().remarks([case(path, row) for row in range(30)]) == ()
    assert inputs().remarks([case(path, 31)]) == ()  # no row can be used


def test_a_column_that_is_nearly_called_so_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("label,patient,Age ,sexx,weight\na,p,60,m,70\n")
    row = Case(str(path), "a", "p", 0, columns=(("Age ", "60"), ("sexx", "m"), ("weight", "70")))
    with pytest.raises(DataError, match=r"age, sex \(is `Age ` meant by `age`\?\) \(is `sexx` meant by `sex`\?\);"):
        inputs().verdicts([row])
