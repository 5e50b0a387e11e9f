"""Breast ultrasound of three hospitals: classes, sites, groups; and the groups that BUSI takes from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.client.cohort.splits import split
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.breast_us import breast_us
from fedgraft.simulations.datasets.busi import busi
from fedgraft.simulations.federation.partition import by_site

Real = Callable[[str], Path]
HEADER = "path,site,label,patient_id,group,device,source,pixel_md5\n"
LINES = (
    "rio_inca/a.jpg,rio_inca,benign,r1,g1,ge,BUS-BRA/a.png,1",
    "rio_inca/b.jpg,rio_inca,malignant,r2,g1,ge,BUS-BRA/b.png,2",
    "rio_inca/c.jpg,rio_inca,benign,r3,g1,toshiba,BUS-BRA/c.png,3",
    "rio_inca/d.jpg,rio_inca,benign,r4,g2,toshiba,BUS-BRA/d.png,4",
    "cairo_baheya/x.jpg,cairo_baheya,malignant,c1,g3,ge9,shared/data/busi/malignant/x.png,5",
    "cairo_baheya/y.jpg,cairo_baheya,benign,c2,g4,ge9,shared/data/busi/benign/y.png,5",
    "cairo_baheya/n.jpg,cairo_baheya,normal,c3,g5,ge9,shared/data/busi/normal/n.png,6",
)
BUSI = "path,label,dup_group\nmalignant/x.png,malignant,1\nbenign/y.png,benign,2\nnormal/n.png,normal,3\n"


def labels(root: Path, *lines: str, header: str = HEADER) -> Path:
    (root / "breast_us").mkdir()
    (root / "breast_us" / "labels.csv").write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return root


def test_two_classes_by_hospital_and_the_note_counts_what_is_left_out(tmp_path: Path) -> None:
    source = breast_us(root=labels(tmp_path, *LINES), cache=tmp_path, classes=("benign", "malignant"))
    assert source.site_of == (*["rio_inca"] * 4, *["cairo_baheya"] * 2)
    first = source.cases[0]
    assert (first.path, first.label, first.patient, first.group, first.columns) == (
        *(f"{tmp_path}/breast_us/rio_inca/a.jpg", "benign", "r1", "g1"),
        (("device", "ge"),),
    )
    assert source.notes == (
        "1 normal images are left out (cairo_baheya 1); data.classes=[benign,malignant,normal] has them as a third "
        "class",
    )


def test_three_classes(tmp_path: Path) -> None:
    source = breast_us(root=labels(tmp_path, *LINES), cache=tmp_path, classes=("benign", "malignant", "normal"))
    assert Counter(case.label for case in source.cases) == {"benign": 4, "malignant": 2, "normal": 1}
    assert source.notes == ()


def test_equal_pixels_at_one_hospital_are_one_group(tmp_path: Path) -> None:
    """And so never in two splits, which a site refuses."""
    source = breast_us(root=labels(tmp_path, *LINES), cache=tmp_path)
    assert [case.group for case in source.cases] == ["g1", "g1", "g1", "g2", "g3", "g3"]


def test_a_group_of_two_scanners_goes_to_the_one_with_more_of_it(tmp_path: Path) -> None:
    source = breast_us(root=labels(tmp_path, *LINES), cache=tmp_path, sites="devices")
    assert source.site_of == (*["rio_ge"] * 3, "rio_toshiba", *["cairo_baheya"] * 2)
    assert source.notes[1] == "1 image(s) go to another scanner's site, which has more images of their group"
    assert {name: len(cases) for name, cases in by_site(source).items()} == {
        "cairo_baheya": 2,
        "rio_ge": 3,
        "rio_toshiba": 1,
    }


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (LINES, HEADER.replace("group", "groups"), r"labels\.csv lacks the column\(s\) group"),
        ((), HEADER, r"labels\.csv lists no image"),
        ((LINES[0].replace("g1", ""),), HEADER, r"line 2: path, site, label, .*device must not be empty"),
        ((LINES[0].replace("benign", "cyst"),), HEADER, r"line 2: .*label must be one of benign, malignant, normal"),
    ],
)
def test_a_wrong_table(tmp_path: Path, lines: tuple[str, ...], header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        breast_us(root=labels(tmp_path, *lines, header=header), cache=tmp_path)


def test_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"breast_us is not here: .* breast_us/labels\.csv.*columns path, site, label"):
        breast_us(root=None, cache=tmp_path)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """BUSI beside its images in breast_us, where two are in one group."""
    (tmp_path / "busi").mkdir()
    (tmp_path / "busi" / "labels.csv").write_text(BUSI, encoding="utf-8")
    return labels(tmp_path, *(line.replace("g4", "g3") for line in LINES))


def test_busi_has_the_groups_of_breast_us_where_that_is_here_and_says_so(both: Path) -> None:
    for source in (busi(root=both, cache=both), busi(root=both, cache=both, groups="near")):
        assert [case.unit for case in source.cases] == ["g3", "g3", "g5"]
        assert source.notes == ("busi: groups=near, the column group of breast_us",)
    source = busi(root=both, cache=both, groups="published")
    assert [case.unit for case in source.cases] == ["group-1", "group-2", "group-3"]
    said = "busi: groups=published, the column dup_group, which leaves 58 near-duplicate pairs apart"
    assert source.notes == (said,)


def test_busi_without_breast_us_or_with_a_part_of_it(both: Path, tmp_path: Path) -> None:
    table = both / "breast_us" / "labels.csv"
    table.write_text(table.read_text().replace("busi/normal/n.png", "elsewhere/n.png"), encoding="utf-8")
    assert busi(root=both, cache=both).notes[0].endswith("apart: breast_us/labels.csv lacks 1 of the images")
    with pytest.raises(DataError, match=r"data\.groups=near needs .* lacks 1 of the images; or use data\.groups=publ"):
        busi(root=both, cache=both, groups="near")
    table.unlink()
    assert "pairs apart: FEDGRAFT_DATA=" in busi(root=both, cache=both).notes[0]
    with pytest.raises(
        DataError, match=r"groups=near needs the groups of breast_us, and FEDGRAFT_DATA=.* does not hold"
    ):
        busi(root=both, cache=both, groups="near")


def test_breast_us_itself(tmp_path: Path, real: Real) -> None:
    source = breast_us(root=real("breast_us"), cache=tmp_path, classes=("benign", "malignant"))
    sites = {name: Counter(case.label for case in cases) for name, cases in by_site(source).items()}
    assert sites == {
        "cairo_baheya": {"benign": 437, "malignant": 210},
        "ciudad_real": {"benign": 174, "malignant": 89},
        "rio_inca": {"benign": 1268, "malignant": 607},
    }
    assert len(source.cases) == 2785 and "549 normal images are left out" in source.notes[0]
    devices = breast_us(root=real("breast_us"), cache=tmp_path, sites="devices")
    assert Counter(devices.site_of) == {
        "rio_ge_logiq5": 809,
        "rio_ge_logiq7": 902,
        "rio_toshiba_aplio300": 139,
        "rio_u_systems": 25,
        "cairo_baheya": 647,
        "ciudad_real": 263,
    }
    for cases in by_site(source).values():
        sides = defaultdict(set)
        for side, some in split(cases, val_fraction=0.1, test_fraction=0.2, seed=0).items():
            for case in some:
                sides[case.group].add(side)
                sides[case.patient].add(side)
        assert all(len(some) == 1 for some in sides.values())


def test_busi_in_the_groups_of_breast_us_itself(tmp_path: Path, real: Real) -> None:
    root = real("breast_us")
    near, published = busi(root=root, cache=tmp_path), busi(root=root, cache=tmp_path, groups="published")
    assert near.notes == ("busi: groups=near, the column group of breast_us",)
    assert (len({c.unit for c in near.cases}), len({c.unit for c in published.cases})) == (597, 645)
    joined = {case.path: case.unit for case in near.cases}
    whole = defaultdict(set)
    for case in published.cases:
        whole[case.unit].add(joined[case.path])
    assert all(len(groups) == 1 for groups in whole.values())
