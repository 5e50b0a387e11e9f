"""A table's cells as numbers: by hand, and as scikit-learn fitted on the same table would have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import CellError, Encoder, read_row, table_spec

TABLE = TableSection(
    numeric=("age", "pressure"),
    categorical=("sex", "pain"),
    missing=("?", "-9"),
    indicate_missing=True,
    statistics="plan",
    min_count=1,
    means={"age": 50.0, "pressure": 120.0},
    deviations={"age": 10.0, "pressure": 20.0},
    vocabulary={"sex": ("f", "m"), "pain": ("none", "typical", "other")},
)


def encoded(table: TableSection, *rows: tuple[str, ...]) -> list[list[float]]:
    columns = (*table.numeric, *table.categorical)
    found: list[list[float]] = Encoder(table)(
        [read_row(table, dict(zip(columns, row, strict=True))) for row in rows]
    ).tolist()
    return found


def test_by_hand() -> None:
    found = encoded(TABLE, ("65", "110", "m", "none"), (" 40.0 ", "?", "", "odd"), ("-9", "1.6e2", "f", "other"))
    assert found == [
        [1.5, -0.5, 0, 0, 2, 1],
        [-1.0, 0.0, 0, 1, 0, 0],
        [0.0, 2.0, 1, 0, 1, 3],
    ]


def test_without_indicators() -> None:
    assert encoded(replace(TABLE, indicate_missing=False), ("", "110", "m", "none")) == [[0.0, -0.5, 2, 1]]


def test_only_numbers_or_only_categories() -> None:
    numbers = replace(TABLE, categorical=(), vocabulary={})
    assert encoded(numbers, ("60", "120")) == [[1.0, 0.0, 0, 0]]
    words = replace(TABLE, numeric=(), means={}, deviations={}, indicate_missing=False)
    assert encoded(words, ("f", "?")) == [[1, 0]]


def test_the_encoding_is_finite_float32_whatever_the_number() -> None:
    table = replace(TABLE, deviations={"age": 1e-18, "pressure": 1e18})
    values = Encoder(table)([read_row(table, {"age": "1e18", "pressure": "-1e18", "sex": "", "pain": ""})])
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_no_rows() -> None:
    assert Encoder(TABLE)([]).shape[0] == 0


@pytest.mark.parametrize(
    ("cell", "value"),
    [("7", 7.0), ("+7.", 7.0), ("-.5", -0.5), ("1e-3", 0.001), ("1E3", 1000.0), (" 8 ", 8.0), ("1e18", 1e18)],
)
def test_what_is_a_number(cell: str, value: float) -> None:
    table = replace(TABLE, numeric=("age",), categorical=())
    assert read_row(table, {"age": cell}).numbers.tolist() == [value]


@pytest.mark.parametrize(
    "cell",
    ["1,5", "1e400", "-1e400", "2e18", "nan", "NaN", "inf", "-inf", "1_000", "0x10", "<0.1", "5 mg", "١", "٣.5", "None",
     "true", "1.2.3", "--1", "1e", ".", "12\n3"],
)  # fmt: skip
def test_what_is_no_number_is_refused_by_column_never_by_content(cell: str) -> None:
    with pytest.raises(CellError, match=r"^a cell of the numeric column age is neither missing nor a number$"):
        read_row(TABLE, {"age": cell, "pressure": "1", "sex": "", "pain": ""})


def test_nan_is_missing_where_the_plan_says_so() -> None:
    table = replace(TABLE, missing=("nan",))
    assert np.isnan(read_row(table, {"age": "nan", "pressure": "1", "sex": "", "pain": ""}).numbers[0])


def test_a_category_is_compared_as_text() -> None:
    table = replace(TABLE, vocabulary={"sex": ("1", "0"), "pain": ("x",)})
    assert encoded(table, ("50", "120", "1", "x"), ("50", "120", "1.0", "X"))[0][-2:] == [1, 1]
    assert encoded(table, ("50", "120", "1.0", "X"))[0][-2:] == [0, 0]


def test_the_spec() -> None:
    assert table_spec(TABLE) == TableSpec(numeric=4, cardinalities=(3, 4))
    assert table_spec(TABLE).shape == (6,)
    assert table_spec(TABLE).one_hot == 11
    assert table_spec(replace(TABLE, indicate_missing=False)).numeric == 2


def test_nothing_is_encoded_before_the_statistics_are_known() -> None:
    federated = replace(TABLE, statistics="federated", means={}, deviations={}, vocabulary={})
    for work in (table_spec, Encoder):
        with pytest.raises(
            PlanError, match=r"table.statistics=federated: means, deviations and vocabulary are not known"
        ):
            work(federated)


def test_it_is_what_scikit_learn_fitted_on_the_table_gives() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal([50, 120], [10, 20], (200, 2))
    numbers[rng.random((200, 2)) < 0.1] = np.nan
    words = np.stack([rng.choice(["f", "m"], 200), rng.choice(["none", "other", "typical"], 200)], axis=1).astype(
        object
    )
    reference = ColumnTransformer(
        [
            ("numeric", make_pipeline(StandardScaler(), SimpleImputer()), [0, 1]),
            ("categorical", OrdinalEncoder(), [2, 3]),
        ]
    ).fit_transform(np.concatenate([numbers.astype(object), words], axis=1))
    columns = ("age", "pressure")
    table = replace(
        TABLE,
        indicate_missing=False,
        means=dict(zip(columns, np.nanmean(numbers, axis=0).tolist(), strict=True)),
        deviations=dict(zip(columns, np.nanstd(numbers, axis=0).tolist(), strict=True)),
        vocabulary={"sex": ("f", "m"), "pain": ("none", "other", "typical")},
    )
    texts = [["" if np.isnan(value) else repr(float(value)) for value in row] for row in numbers]
    found = np.array(encoded(table, *((*a, *b) for a, b in zip(texts, words.tolist(), strict=True))))
    np.testing.assert_allclose(found - [0, 0, 1, 1], reference.astype(np.float64), atol=1e-6)
