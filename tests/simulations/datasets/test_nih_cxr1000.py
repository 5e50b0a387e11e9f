"""NIH CXR-1000: labels, subgroups, findings, patients, and a wrong table."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.client.cohort.splits import split
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.nih_cxr1000 import FINDINGS, nih_cxr1000

HEADER = "path,label,nih_image,patient_id,view,age,sex,findings\n"
FIRST = "no_finding/a.jpg,no_finding,a.png,0001,PA,36,F,No Finding\n"
SECOND = "pneumonia/b.jpg,pneumonia,b.png,0001,AP,37,F,Pneumonia|Pleural_Thickening\n"


def labels(root: Path, text: str) -> Path:
    (root / "nih_cxr1000").mkdir()
    (root / "nih_cxr1000" / "labels.csv").write_text(text, encoding="utf-8")
    return root


def test_cases_of_a_folder(tmp_path: Path) -> None:
    source = nih_cxr1000(root=labels(tmp_path, HEADER + FIRST + SECOND), cache=tmp_path)
    folder = tmp_path / "nih_cxr1000"
    assert [(case.path, case.label, case.unit, case.columns) for case in source.cases] == [
        (
            f"{folder}/no_finding/a.jpg",
            "no_finding",
            "0001",
            (("sex", "F"), ("age", "36"), ("view", "PA")),
        ),
        (f"{folder}/pneumonia/b.jpg", "pneumonia", "0001", (("sex", "F"), ("age", "37"), ("view", "AP"))),
    ]
    assert (source.site_of, source.test) == (None, ())


def test_findings_are_columns_of_1_and_0(tmp_path: Path) -> None:
    source = nih_cxr1000(root=labels(tmp_path, HEADER + FIRST + SECOND), cache=tmp_path, findings=True)
    assert all([name for name, _ in case.columns[3:]] == [name.lower() for name in FINDINGS] for case in source.cases)
    present = [{name for name, cell in case.columns[3:] if cell == "1"} for case in source.cases]
    assert present == [set(), {"pneumonia", "pleural_thickening"}]
    assert {cell for case in source.cases for _, cell in case.columns[3:]} == {"0", "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace(",sex", ""), r"labels\.csv lacks the column\(s\) sex"),
        (HEADER, r"labels\.csv lists no image"),
        (HEADER + FIRST.replace("0001", ""), r"line 2: path and patient_id must not be empty"),
        (HEADER + FIRST + SECOND.replace("|", ";"), r"line 3: path .* and findings of No Finding, Atelectasis, .*"),
        (HEADER + FIRST.replace(",no_finding,", ",healthy,"), r"line 2: .*label must be one of no_finding, pneumonia"),
        (HEADER + FIRST.replace(",PA", ""), r"labels\.csv, line 2: 8 cells are expected"),
    ],
)
def test_a_wrong_table(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        nih_cxr1000(root=labels(tmp_path, text), cache=tmp_path)


def test_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"NIH CXR-1000 is not here: .* nih_cxr1000/labels\.csv.*columns path, label"):
        nih_cxr1000(root=None, cache=tmp_path)


def test_the_films_themselves(tmp_path: Path, real: Callable[[str], Path]) -> None:
    cases = nih_cxr1000(root=real("nih_cxr1000"), cache=tmp_path, findings=True).cases
    assert Counter((case.label, case.column("view")) for case in cases) == {
        ("no_finding", "AP"): 342,
        ("no_finding", "PA"): 158,
        ("pneumonia", "AP"): 225,
        ("pneumonia", "PA"): 275,
    }
    assert Counter((case.label, case.column("sex")) for case in cases) == {
        ("no_finding", "F"): 257,
        ("no_finding", "M"): 243,
        ("pneumonia", "F"): 220,
        ("pneumonia", "M"): 280,
    }
    assert len({case.patient for case in cases}) == 682
    assert sum(case.column("infiltration") == "1" for case in cases) == 187
    assert all((case.column("pneumonia") == "1") == (case.label == "pneumonia") for case in cases)


def test_no_patient_and_no_film_is_on_two_sides(tmp_path: Path, real: Callable[[str], Path]) -> None:
    cases = nih_cxr1000(root=real("nih_cxr1000"), cache=tmp_path).cases
    sides = split(cases, val_fraction=0.1, test_fraction=0.2, seed=0)
    patients = [{case.patient for case in side} for side in sides.values()]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 682
    twins = defaultdict(list)
    for case in cases:
        twins[hashlib.sha256(Path(case.path).read_bytes()).hexdigest()].append(case.patient)
    assert [len(set(owners)) for owners in twins.values() if len(owners) > 1] in ([], [1])  # one patient's film, twice
