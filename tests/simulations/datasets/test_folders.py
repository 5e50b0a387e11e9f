"""Folders of hospitals that are there already: each site.yaml is a hospital, and what it forbids stays forbidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.datasets.folders import folders
from fedgraft.simulations.federation.partition import by_site
from fedgraft.simulations.federation.sites import lay_out

Sites = Callable[..., list[Path]]


def read(path: Path | str, classes: tuple[str, ...] | None = None) -> object:
    return folders(path=str(path), task="classification", classes=classes)


def test_each_folder_is_a_hospital_called_as_its_file_says(table_sites: Sites, tmp_path: Path) -> None:
    files = table_sites(3, 4)
    files[1].write_text(files[1].read_text().replace("name: site-1", "name: south"))
    source = folders(path=str(tmp_path / "hospitals"), task="classification", classes=None)
    assert source.site_of == ("site-0",) * 4 + ("south",) * 4 + ("site-2",) * 4
    assert source.cases[4].path == str(tmp_path / "hospitals" / "site-1" / "table.csv")


def test_equal_names_at_two_hospitals_are_two_patients(table_sites: Sites, tmp_path: Path) -> None:
    for file in table_sites(2, 4):
        manifest = file.parent / "manifest.csv"
        manifest.write_text(manifest.read_text().replace("site-0-", "p").replace("site-1-", "p"))
    source = folders(path=str(tmp_path / "hospitals"), task="classification", classes=None)
    parts = by_site(source)
    assert [case.patient for case in parts["site-0"]] == [case.patient for case in parts["site-1"]]


def test_what_a_site_file_forbids_is_forbidden_in_the_simulation_too(
    table_sites: Sites, tmp_path: Path, compose_plan: Callable[..., Plan]
) -> None:
    files = table_sites(2, 10)
    files[0].write_text(files[0].read_text() + "release: {min_count: 7, train_loss: false}\nlimits: {pixels: 99}\n")
    own = ("data=folders", f"data.path={tmp_path}/hospitals", "table.numeric=[age]", "table.min_count=1")
    plan = compose_plan(*own, small=False)
    laid_out = lay_out(plan, tmp_path / "run", {"FEDGRAFT_CACHE": str(tmp_path / "cache")})
    first, second = (read_site_file(laid_out.sites[name]) for name in ("site-0", "site-1"))
    assert (first.release.min_count, first.release.train_loss, first.limits.pixels) == (7, False, 99)
    assert (second.release.min_count, second.release.train_loss) == (5, True)
    assert first.manifest.parent == tmp_path / "run" / "site-0"


def test_a_label_that_is_no_class_names_the_manifest_and_the_line(table_sites: Sites, tmp_path: Path) -> None:
    manifest = table_sites(2, 4)[1].parent / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("clear", "lesion").replace("lesion", "Lesion", 1))
    with pytest.raises(DataError, match=rf"{manifest}: `label` is no class .* \(line 2\); the first says `Lesion`"):
        read(tmp_path / "hospitals", ("clear", "lesion"))


def test_a_manifest_without_labels(table_sites: Sites, tmp_path: Path) -> None:
    manifest = table_sites(1, 4)[0].parent / "manifest.csv"
    manifest.write_text("patient,age\np1,61\np2,52\n")
    with pytest.raises(DataError, match=r"manifest\.csv has no column `label`, which data\.task=classification needs"):
        read(tmp_path / "hospitals")


def test_a_manifest_without_the_task_s_columns(table_sites: Sites, tmp_path: Path) -> None:
    manifest = table_sites(1, 4)[0].parent / "manifest.csv"
    manifest.write_text("patient,age,times,event\np1,61,3,1\np2,52,4,0\n")
    with pytest.raises(DataError, match=r"no column `time`, which data\.task=survival needs; did you mean `times`\?$"):
        folders(path=str(tmp_path / "hospitals"), task="survival", classes=())


def test_wrong_folders(table_sites: Sites, tmp_path: Path) -> None:
    files = table_sites(2, 4)
    with pytest.raises(DataError, match=r"none is no folder \(.*\); name the one that holds a folder for each"):
        read(tmp_path / "none")
    with pytest.raises(DataError, match=r"no folder in .* holds a site\.yaml .*data=manifest\.$"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"It has one itself: name the folder above$"):
        read(files[0].parent)
    files[1].write_text(files[1].read_text().replace("site-1", "site-0"))
    with pytest.raises(DataError, match=r"site-1/site\.yaml: another folder's site has the name site-0 too; rename"):
        read(tmp_path / "hospitals")
