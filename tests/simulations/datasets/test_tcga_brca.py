"""TCGA-BRCA: FLamby's regions and split, hospitals by barcode, survival columns, and damaged files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.tcga_brca import FEATURES, tcga_brca

HEADER = ",".join(["pid", *(f"f{number}" for number in range(FEATURES)), "E", "T"])
CASES = {
    "TCGA-BH-A18U": ("train_0", "1.0", "1563.0"),
    "TCGA-BH-A0B3": ("test_0", "0.0", "7.0"),
    "TCGA-C8-A133": ("train_5", "0.0", "0.0"),
}


def folder_of(root: Path, cases: dict[str, tuple[str, str, str]] = CASES, header: str = HEADER) -> Path:
    folder = root / "tcga_brca"
    folder.mkdir(parents=True)
    lines = [",".join([pid, *["1"] * FEATURES, event, days]) for pid, (_, event, days) in cases.items()]
    outside = ",".join(["TCGA-5L-AAT0", *["1"] * FEATURES, "0.0", "3.0"])  # in no region of the split
    (folder / "brca.csv").write_text("\n".join([header, *lines, outside]), encoding="utf-8")
    split = "\n".join(["pid,fold,fold2", *(f"{pid},,{fold}" for pid, (fold, _, _) in cases.items())])
    (folder / "train_test_split.csv").write_text(split, encoding="utf-8")
    return root


def test_sites_split_and_survival(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "root")
    source = tcga_brca(root=root, cache=tmp_path / "cache")
    found = [
        (site, c.row, c.split, c.patient, c.columns) for site, c in zip(source.site_of or (), source.cases, strict=True)
    ]
    assert found == [
        ("canada", 0, "train", "TCGA-C8-A133", (("time", "0.5"), ("event", "0"))),
        ("northeast", 0, "train", "TCGA-BH-A18U", (("time", "1563"), ("event", "1"))),
        ("northeast", 1, "test", "TCGA-BH-A0B3", (("time", "7"), ("event", "0"))),
    ]
    text = Path(source.cases[0].path).read_text(encoding="utf-8").splitlines()
    assert text == [",".join(f"f{number}" for number in range(FEATURES)), ",".join(["1"] * FEATURES)]
    hospitals = tcga_brca(root=root, cache=tmp_path / "cache", sites="hospitals")
    assert hospitals.site_of == ("tss-BH", "tss-BH", "tss-C8")
    assert [case.split for case in hospitals.cases] == ["train", "test", "train"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (("train_6", "1.0", "5.0"), r"split\.csv, line 2: fold2 must be train or test, _, and a region from 0 to 5"),
        (("val_0", "1.0", "5.0"), r"split\.csv, line 2: fold2 must be"),
        (("train_0", "2.0", "5.0"), r"brca\.csv: T must be days, 0 or more, and E 0\.0, or 1\.0 with T above 0"),
        (("train_0", "1.0", "0.0"), r"brca\.csv: T must be days"),
        (("train_0", "0.0", "-1.0"), r"brca\.csv: T must be days"),
        (("train_0", "0.0", "soon"), r"brca\.csv: T must be days"),
    ],
)
def test_a_wrong_cell(tmp_path: Path, case: tuple[str, str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tcga_brca(root=folder_of(tmp_path, {"TCGA-BH-A18U": case}), cache=tmp_path / "cache")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    split = folder_of(tmp_path) / "tcga_brca" / "train_test_split.csv"
    text = split.read_text(encoding="utf-8")
    split.write_text(f"{text}\nTCGA-XX-XXXX,,train_1", encoding="utf-8")
    with pytest.raises(DataError, match=r"brca\.csv does not hold each case of train_test_split\.csv once"):
        tcga_brca(root=tmp_path, cache=tmp_path / "cache")
    split.write_text(f"{text}\nTCGA-BH-A18U,,train_1", encoding="utf-8")
    with pytest.raises(DataError, match=r"train_test_split\.csv must name each case once"):
        tcga_brca(root=tmp_path, cache=tmp_path / "cache")


def test_another_table(tmp_path: Path) -> None:
    root = folder_of(tmp_path, header=HEADER.replace("f0,", ""), cases={})
    file = root / "tcga_brca" / "train_test_split.csv"
    file.write_text("pid,fold,fold2\nTCGA-5L-AAT0,,train_0", encoding="utf-8")
    (root / "tcga_brca" / "brca.csv").write_text("pid,f1,E,T\nTCGA-5L-AAT0,1,0.0,3.0", encoding="utf-8")
    with pytest.raises(DataError, match=r"brca\.csv has 1 features, not 39; get the file again"):
        tcga_brca(root=root, cache=tmp_path / "cache")


def test_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"TCGA-BRCA is not here: .* tcga_brca/brca\.csv.*github\.com/owkin/FLamby"):
        tcga_brca(root=None, cache=tmp_path)


def test_the_regions_themselves(tmp_path: Path, real: Callable[[str], Path]) -> None:
    source = tcga_brca(root=real("tcga_brca"), cache=tmp_path)
    sides = Counter(zip(source.site_of or (), (case.split for case in source.cases), strict=True))
    names = ("northeast", "south", "west", "midwest", "europe", "canada")
    assert [sides[name, "train"] for name in names] == [248, 156, 164, 129, 129, 40]
    assert [sides[name, "test"] for name in names] == [63, 40, 42, 33, 33, 11]
    events = Counter(
        site for site, case in zip(source.site_of or (), source.cases, strict=True) if case.column("event") == "1"
    )
    assert [events[name] for name in names] == [59, 39, 22, 19, 9, 3]
    assert len({case.patient for case in source.cases}) == len(source.cases) == 1088
    times = {kind: [float(c.column("time") or 0) for c in source.cases if c.column("event") == kind] for kind in "01"}
    assert (times["0"].count(0.5), min(times["1"])) == (12, 116)


def test_the_hospitals_themselves(tmp_path: Path, real: Callable[[str], Path]) -> None:
    source = tcga_brca(root=real("tcga_brca"), cache=tmp_path, sites="hospitals")
    sizes = Counter(source.site_of)
    assert (len(sizes), sum(sizes.values()), max(sizes.values()), min(sizes.values())) == (37, 1088, 150, 1)
