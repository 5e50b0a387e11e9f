"""``fedgraft site init, keygen, check`` as a hospital's IT meets them."""

from pathlib import Path

import pytest

from fedgraft.client.cli import main
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import SiteFileError


@pytest.fixture
def made(tmp_path: Path) -> Path:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,patient\nmueller-1957.png,normal,p1\n")
    out = tmp_path / "site.yaml"
    assert main(["init", "--name", "north", "--manifest", str(manifest), "--out", str(out)]) == 0
    return out


def test_the_first_file_reads_well(made: Path) -> None:
    site = read_site_file(made)
    assert (site.name, site.state) == ("north", made.parent / "north-state")
    assert site.coordinator is not None and site.coordinator.key == made.parent / "north.key"


def test_init_never_overwrites(made: Path) -> None:
    before = made.read_text()
    with pytest.raises(SiteFileError, match="not overwritten"):
        main(["init", "--name", "south", "--manifest", "m.csv", "--out", str(made)])
    assert made.read_text() == before


def test_a_bad_name_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "site.yaml"
    with pytest.raises(SiteFileError, match="- name: "):
        main(["init", "--name", "no rth", "--manifest", "m.csv", "--out", str(out)])
    assert not out.exists()


def test_keygen_says_which_half_to_send(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "--site", str(made)]) == 0
    said = capsys.readouterr().out
    assert "north.key.pub (send this one to the coordinator)" in said and "SHA256:" in said


def test_check_names_every_problem_and_no_patient(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--site", str(made)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    for line in (
        "ok site file site north",
        "problem key",
        "problem coordinator",
        "ok cases 1 case of 1 patient",
        "problem quarantine",
        "no image can be used",
    ):
        assert line in said
    assert "line 2 of the manifest" in said
    assert "mueller" not in said and "p1" not in said


def test_check_without_a_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--site", str(tmp_path / "site.yaml")]) == 1
    assert "`fedgraft site init` writes a first one" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", [[], ["draft"], ["init"], ["keygen"], ["check"], ["start"]])
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 200
