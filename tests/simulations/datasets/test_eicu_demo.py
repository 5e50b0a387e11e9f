"""eICU demo: which stays are cases, how regions and hospitals get them, missing values, and damaged files."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.eicu_demo import APACHE, eicu_demo

PATIENT = "patientunitstayid,uniquepid,hospitalid,unitvisitnumber,hospitaldischargestatus,age,gender,ethnicity"
STAYS = (
    "1,p-1,59,1,Alive,87,Female,Caucasian",
    "2,p-1,59,2,Alive,87,Female,Caucasian",  # a later unit stay
    "3,p-2,60,1,Expired,> 89,Male,",
    "4,p-3,61,1,,44,Male,Asian",  # how it ended is not known
    "5,p-4,61,1,Alive,44,Unknown,Asian",  # not in APACHE
    "6,p-1,61,1,Alive,88,Female,Caucasian",
)


def folder_of(root: Path) -> Path:
    apache = [",".join(["patientunitstayid", *APACHE])]
    apache += [",".join([stay, "0", "-1", *["7.5"] * (len(APACHE) - 2)]) for stay in "12346"]
    hospitals = ("hospitalid,region", "59,Midwest", "60,West", "61,")
    for name, lines in (("patient", (PATIENT, *STAYS)), ("apacheApsVar", apache), ("hospital", hospitals)):
        file = root / "eicu_demo" / f"{name}.csv.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress("\n".join(lines).encode()))
    return root


def test_first_stays_with_a_known_end(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "root")
    source = eicu_demo(root=root, cache=tmp_path / "cache")
    assert source.site_of == ("midwest", "unknown", "west")
    assert [(case.row, case.label, case.patient) for case in source.cases] == [
        (0, "alive", "midwest-p-1"),
        (0, "alive", "unknown-p-1"),
        (0, "expired", "west-p-2"),
    ]
    assert source.cases[2].columns == (("sex", "M"), ("age", "90"), ("ethnicity", ""))
    text = Path(source.cases[2].path).read_text(encoding="utf-8").splitlines()
    assert text == [",".join(["age", *APACHE]), ",".join(["90", "0", "", *["7.5"] * (len(APACHE) - 2)])]
    hospitals = eicu_demo(root=root, cache=tmp_path / "cache", sites="hospitals")
    assert hospitals.site_of == ("hospital-59", "hospital-60", "hospital-61")


def test_damaged_files(tmp_path: Path) -> None:
    root = folder_of(tmp_path)
    file = root / "eicu_demo" / "apacheApsVar.csv.gz"
    content = file.read_bytes()
    for wrong in (content[:-20], b"plain text"):
        file.write_bytes(wrong)
        with pytest.raises(DataError, match=r"apacheApsVar\.csv\.gz is damaged: (EOFError|BadGzipFile); get it again"):
            eicu_demo(root=root, cache=tmp_path / "cache")
    file.write_bytes(gzip.compress(b"patientunitstayid,intubated\n1,0"))
    with pytest.raises(DataError, match=r"apacheApsVar\.csv\.gz lacks the column\(s\) vent, dialysis, eyes"):
        eicu_demo(root=root, cache=tmp_path / "cache")
    file.write_bytes(gzip.compress(",".join(["patientunitstayid", *APACHE]).encode()))
    with pytest.raises(DataError, match=r"no stay is in both patient\.csv\.gz and apacheApsVar\.csv\.gz; get the file"):
        eicu_demo(root=root, cache=tmp_path / "cache")


def test_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"eICU demo is not here: .* eicu_demo/patient\.csv\.gz.*physionet\.org"):
        eicu_demo(root=None, cache=tmp_path)


def test_the_regions_themselves(tmp_path: Path, real: Callable[[str], Path]) -> None:
    source = eicu_demo(root=real("eicu_demo"), cache=tmp_path)
    deaths = Counter(
        site for site, case in zip(source.site_of or (), source.cases, strict=True) if case.label == "expired"
    )
    assert {site: (count, deaths[site]) for site, count in Counter(source.site_of).items()} == {
        "midwest": (661, 48),
        "south": (610, 50),
        "west": (417, 36),
        "northeast": (130, 18),
        "unknown": (186, 21),
    }
    assert len({case.patient.partition("-")[2] for case in source.cases}) == 1713
    assert len({case.patient for case in source.cases}) == 1713 + 6


def test_the_hospitals_themselves(tmp_path: Path, real: Callable[[str], Path]) -> None:
    sizes = Counter(eicu_demo(root=real("eicu_demo"), cache=tmp_path, sites="hospitals").site_of)
    assert (len(sizes), sum(sizes.values()), min(sizes.values()), max(sizes.values())) == (186, 2004, 1, 22)
