"""Rolls, facts and manifests made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.outcomes import outcomes
from fedgraft.client.check.report import Finding
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import number_of
from fedgraft.client.images.facts import FACTS
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.common import tasks
from fedgraft.common.plan.data_sections import DataSection


def case(at: int, label: str = "sick", patient: str = "", split: str | None = None, **columns: str) -> Case:
    """Case number ``at``, of a patient of its own unless one is named."""
    return Case(f"/c/{at}.png", label, patient or f"p{at}", split=split, columns=tuple(columns.items()))


def case_table_of(cases: Sequence[Case], data: DataSection | None = None) -> CaseTable:
    """As `enrol`, with the splits that the cases name."""
    splits = tuple(one.split or "" for one in cases) if all(one.split for one in cases) else None
    return CaseTable(
        tuple(cases), tuple(range(2, len(cases) + 2)), splits, outcomes(cases, None if data is None else tasks.of(data))
    )


def facts(*rows: dict[str, Any]) -> NDArray[np.void]:
    """One row per dict: ``reason`` (a code), ``marks``, ``planes``, ``size`` (H, W), ``digest`` (a number),
    ``histogram`` (bin -> count), ``top``."""
    found = np.zeros(len(rows), FACTS)
    for at, row in enumerate(rows):
        found[at]["reason"] = number_of(row["reason"]) if "reason" in row else 0
        found[at]["marks"] = row.get("marks", DeidentificationFlag.NONE)
        found[at]["planes"] = row.get("planes", 1)
        found[at]["height"], found[at]["width"] = row.get("size", (64, 64))
        found[at]["digest"][0] = row.get("digest", at)
        found[at]["top"] = row.get("top", 0)
        for number, count in row.get("histogram", {0: 5, 9: 5}).items():
            found[at]["histogram"][number] = count
    return found


def seen(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Grade and what."""
    return [(finding.grade, finding.what) for finding in findings]


@pytest.fixture
def two_classes() -> DataSection:
    return DataSection("classification", ("sick", "well"), 32, "sites", 0.2, 0.2)


@pytest.fixture
def findings_data() -> DataSection:
    return DataSection("multilabel", ("mass", "nodule"), 32, "sites", 0.2, 0.2)


@pytest.fixture
def survival_data() -> DataSection:
    return DataSection("survival", (), None, "sites", 0.2, 0.2)
