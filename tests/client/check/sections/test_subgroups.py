"""Sex, age in bands, other columns with few values; never a person."""

import pytest

from fedgraft.client.check.sections.subgroups import Subgroup, band, subgroups

from ..conftest import case


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0", "0-17"),
        ("17", "0-17"),
        ("18", "18-39"),
        ("39.9", "18-39"),
        ("059Y", "40-59"),
        ("79", "60-79"),
        ("101", "80 and over"),
        ("009M", "0-17"),
        ("", ""),
        ("old", ""),
        ("-3", ""),
        ("1957", ""),
        ("999", ""),
    ],
)
def test_bands(cell: str, expected: str) -> None:
    assert band(cell) == expected


@pytest.mark.parametrize("name", ["age", "Age", "PatientAge", "patient_age", "age_years"])
def test_names_of_age(name: str) -> None:
    cases = [case(0, **{name: "30"}), case(1, **{name: "70"})]
    assert subgroups(cases, 1) == [Subgroup(name, ("18-39", "60-79"))]


def test_rare_values_and_empty_cells() -> None:
    cases = [case(at, sex=sex) for at, sex in enumerate(["F", "F", "M", "M", "D", ""])]
    assert subgroups(cases, 2) == [Subgroup("sex", ("F", "F", "M", "M", "other", "unknown"))]


def test_a_column_of_names_is_no_subgroup() -> None:
    """Three patients with ten images each: every value has ten cases, but one patient."""
    names = ["Huber", "Mayer", "Moser"]
    cases = [case(at, patient=names[at % 3], who=names[at % 3]) for at in range(30)]
    assert subgroups(cases, 5) == []


def test_columns_with_one_or_many_values_and_targets_are_none() -> None:
    cases = [case(at, one="x", many=str(at), mass=str(at % 2)) for at in range(20)]
    assert subgroups(cases, 1, without={"mass"}) == []


def test_nothing_but_rare_values_says_nothing() -> None:
    assert subgroups([case(at, ward=ward) for at, ward in enumerate(["a", "b", ""])], 2) == []
