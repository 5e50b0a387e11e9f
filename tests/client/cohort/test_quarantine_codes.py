"""Reasons: their codes and numbers are in files and reports, and do not change."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from fedgraft.client.cohort.quarantine import REASONS, CaseError
from fedgraft.common.errors import DataError

IN_USE = (
    "missing",
    "not-dicom",
    "damaged",
    "no-pixels",
    "unsupported",
    "inconsistent",
    "too-large",
    "too-slow",
    "crashed",
    "burned-in",
    "no-frame",
    "mixed-series",
    "no-row",
    "bad-value",
    "blank",
)


def test_reasons_are_only_ever_appended() -> None:
    assert tuple(REASONS)[: len(IN_USE)] == IN_USE
    assert len(REASONS) < 256, "they are kept as a byte"


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_a_short_code_and_a_sentence(reason: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)?", reason)
    error = CaseError(reason)
    assert isinstance(error, DataError)
    assert str(error) == f"{reason}: {REASONS[reason]}"
    assert not REASONS[reason].endswith(".")


def test_an_error_survives_the_way_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(CaseError("too-large", "9 x 9 pixels")))
    assert (error.reason, error.text, str(error)) == ("too-large", "9 x 9 pixels", "too-large: 9 x 9 pixels")


def test_an_unknown_reason_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        CaseError("sad")


def test_the_docs_list_every_reason_with_its_meaning() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cohort.md").read_text(encoding="utf-8")
    assert [code for code, text in REASONS.items() if f"| `{code}` | {text} |" not in page] == []
