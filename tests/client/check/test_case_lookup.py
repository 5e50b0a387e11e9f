"""``fedgraft site case``: from a name back to a line."""

from pathlib import Path

import pydicom.data
import pytest

from fedgraft.client.check import reading
from fedgraft.client.cli import main
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.errors import DataError


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    """A picture, and a series of three slices."""
    (tmp_path / "manifest.csv").write_text("path,label,patient\na.png,x,Huber\nseries,y,Mayer\n")
    (tmp_path / "series").mkdir()
    whole = pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    for number in range(3):
        whole.ImagePositionPatient = [0, 0, 5 * number]
        whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        whole.save_as(tmp_path / "series" / f"{number}.dcm")
    found = SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state")
    write_site_file(tmp_path / "site.yaml", found)
    return found


def file_of(site: SiteFile) -> str:
    return str(site.manifest.parent / "site.yaml")


def test_lines_and_slices_and_nothing_else(site: SiteFile, capsys: pytest.CaptureFixture[str]) -> None:
    cases = reading.expanded(read_manifest(site.manifest), None, site)
    names = [Pseudonyms(site.state).name(case) for case in cases]
    assert main(["case", *names, "--site", file_of(site)]) == 0
    places = ("line 2", "line 3, slice 1 of 3", "line 3, slice 2 of 3", "line 3, slice 3 of 3")
    assert capsys.readouterr().out == "".join(f"{n}: {p}\n" for n, p in zip(names, places, strict=True))


def test_a_name_that_no_case_has(site: SiteFile, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that were found are printed all the same."""
    name = Pseudonyms(site.state).name(read_manifest(site.manifest)[0])
    with pytest.raises(DataError) as error:
        main(["case", "case-0123456789", name, "--site", file_of(site)])
    assert str(error.value) == (
        "no case of the manifest has the name case-0123456789: was its line changed since (path, row or patient), or "
        "is it a slice or frame of another plan (--plan)?"
    )
    assert capsys.readouterr().out == f"{name}: line 2\n"


def test_what_is_no_name(site: SiteFile) -> None:
    with pytest.raises(DataError, match="'Huber' is no case's name: case- and ten hexadecimal digits"):
        main(["case", "Huber", "--site", file_of(site)])


def test_a_site_that_named_nobody(site: SiteFile) -> None:
    """No key is made for the question."""
    with pytest.raises(DataError, match=r"has no case-names\.key: no case was named at this site yet"):
        main(["case", "case-0123456789", "--site", file_of(site)])
    assert not site.state.exists()


@pytest.mark.parametrize("command", ["check", "case"])
def test_help_says_whose_line_it_is(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert {"check": "`fedgraft site case NAME` gives the line", "case": "case-3f9a0c21d4"}[command] in " ".join(
        capsys.readouterr().out.split()
    )
