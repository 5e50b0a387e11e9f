"""The public data sets of notes: whose cases, which hospitals, and what is said where the file is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.text.mts_dialog import LEAST, mts_dialog
from fedgraft.simulations.datasets.text.tcga_path import tcga_path

PATHOLOGY = "patient,tss,group,node_positive,centre,cancer_type,text\n"


def write(root: Path, name: str, text: str) -> Path:
    file = root / name
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return root


def test_reports_of_unknown_status_and_second_copies_are_left_out(tmp_path: Path) -> None:
    lines = [
        'p1,AA,g1,1,gastro,COAD,"Colon, 3/12 nodes"',
        "p2,AA,g2,0,gastro,COAD,no nodes",
        "p3,BH,g3,,breast,BRCA,unknown",
        "p4,BH,g4,0,breast,BRCA,clear",
        "p5,A6,g1,1,gastro,READ,a copy",
    ]
    root = write(tmp_path / "root", "tcga_path/tcga_path_masked.csv", PATHOLOGY + "\n".join(lines) + "\n")
    source = tcga_path(root=root, cache=tmp_path / "cache")
    assert source.site_of == ("breast", "gastro", "gastro")
    assert [(c.patient, c.label, c.group, c.row) for c in source.cases] == [
        ("p4", "node_negative", "tss-BH", 0),
        ("p1", "node_positive", "tss-AA", 0),
        ("p2", "node_negative", "tss-AA", 1),
    ]
    assert Path(source.cases[1].path).read_text(encoding="utf-8") == 'text\n"Colon, 3/12 nodes"\nno nodes\n'
    own = tcga_path(root=root, cache=tmp_path / "cache", whole_tss=False)
    assert {case.group for case in own.cases} == {None}
    large = tcga_path(root=root, cache=tmp_path / "cache", sites="tss", least=2)
    assert (large.site_of, {case.group for case in large.cases}) == (("tss-AA", "tss-AA"), {None})
    with pytest.raises(DataError, match=r"data\.least=3: no tissue source site has so many reports; use at most 2"):
        tcga_path(root=root, cache=tmp_path / "cache", sites="tss", least=3)


def test_only_frequent_headers_are_taken(tmp_path: Path) -> None:
    rows = [f"{at},GENHX,text {at},g{at}" for at in range(LEAST)] + ["99,LABS,sodium,h", "100,GENHX,,i"]
    text = "\n".join(["ID,section_header,text,group", *rows]) + "\n"
    source = mts_dialog(root=write(tmp_path / "root", "mts_dialog/mts_dialog.csv", text), cache=tmp_path / "cache")
    assert Counter(case.label for case in source.cases) == {"GENHX": LEAST}
    assert (source.site_of, source.cases[1].group, source.cases[1].row) == (None, "g1", 1)


@pytest.mark.parametrize(("load", "name"), [(tcga_path, "tcga_path_masked.csv"), (mts_dialog, "mts_dialog.csv")])
def test_where_to_get_them_is_said(tmp_path: Path, load: object, name: str) -> None:
    with pytest.raises(DataError, match=rf"not here: .*{name}.*FedGraft does not download"):
        load(root=None, cache=tmp_path)  # type: ignore[operator]


def test_files_without_a_usable_line_are_named(tmp_path: Path) -> None:
    root = write(tmp_path / "a", "tcga_path/tcga_path_masked.csv", PATHOLOGY + "p,AA,g,,gastro,COAD,x\n")
    with pytest.raises(DataError, match="has no report whose node_positive is 0 or 1"):
        tcga_path(root=root, cache=tmp_path)
    root = write(tmp_path / "b", "mts_dialog/mts_dialog.csv", "ID,section_header,text,group\n1,A,x,g\n")
    with pytest.raises(DataError, match="has no section header with 59 texts"):
        mts_dialog(root=root, cache=tmp_path)


def test_the_published_files(real: Callable[[str], Path], tmp_path: Path) -> None:
    root = real("tcga_path")
    source = tcga_path(root=root, cache=tmp_path)
    assert Counter(source.site_of or ()) == {
        "gastro": 216,
        "uro_gyn_skin": 185,
        "thorax": 156,
        "breast": 112,
        "endocrine": 87,
        "head_neck": 69,
    }
    assert Counter(case.label for case in source.cases)["node_positive"] in (354, 355)
    assert len(set(tcga_path(root=root, cache=tmp_path, sites="tss").site_of or ())) == 17
    notes = mts_dialog(root=root, cache=tmp_path)
    assert len(notes.cases) == 1537 and len({case.label for case in notes.cases}) == 9
