"""Grades and exit codes."""

import pytest

from fedgraft.client.check.report import Finding, Grade, exit_code


@pytest.mark.parametrize(
    ("grades", "code"), [([], 0), (["ok"], 0), (["ok", "warning"], 0), (["ok", "problem", "warning"], 1)]
)
def test_only_a_problem_fails(grades: list[Grade], code: int) -> None:
    assert exit_code(Finding(grade, "x", "y") for grade in grades) == code


def test_a_finding_is_a_line() -> None:
    assert str(Finding("warning", "key", "it is open", "close it")) == "warning  key: it is open; close it"
    assert str(Finding("ok", "key", "fine")) == "ok       key: fine"
