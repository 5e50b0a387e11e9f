"""``fedgraft site check`` as it is typed: exit codes, the page's place, options that contradict each other."""

import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedgraft.client.cli import main
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.errors import SiteFileError


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two good images."""
    rng = np.random.default_rng(0)
    for at in range(2):
        Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(tmp_path / f"mueller-{at}.png")
    lines = [f"mueller-{at}.png,normal,mueller" for at in range(2)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label,patient", *lines]) + "\n")
    write_site_file(tmp_path / "site.yaml", SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state"))
    return tmp_path / "site.yaml"


def test_warnings_are_no_failure_and_the_page_is_private(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--site", str(site)]) == 0
    said = capsys.readouterr().out
    page = site.parent / "state" / "check.html"
    assert "0 problems" in said and f"page: {page} (it must stay at the site)" in said
    assert stat.S_IMODE(page.stat().st_mode) == 0o600 and page.read_text().startswith("<!DOCTYPE html>")
    assert "mueller" not in said and "mueller" not in page.read_text()


def test_a_problem_is(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in site.parent.glob("*.png"):
        file.unlink()
    assert main(["check", "--site", str(site), "--no-page"]) == 1
    assert "no image can be used" in capsys.readouterr().out
    assert not (site.parent / "state" / "check.html").exists()


def test_the_page_elsewhere(site: Path) -> None:
    page = site.parent / "there" / "page.html"
    assert main(["check", "--site", str(site), "--page", str(page)]) == 0
    assert page.is_file() and not (site.parent / "state" / "check.html").exists()


def test_without_a_site_file_there_is_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--site", str(tmp_path / "site.yaml")]) == 1
    assert "`fedgraft site init` writes a first one" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SiteFileError, match="does not exist"):
        main(["check", "--site", str(tmp_path / "site.yaml"), "--page", str(tmp_path / "page.html")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--page", "x.html", "--no-page"], "--page and --no-page contradict each other; leave one out"),
        (["--sample", "0"], "--sample 0 must be 1 or more cases"),
        (["--uplink", "0"], "--uplink 0 must be a speed above 0, in Mbit/s"),
        (["--uplink", "nan"], "--uplink nan must be a speed above 0"),
    ],
)
def test_options_that_make_no_sense(site: Path, options: list[str], message: str) -> None:
    with pytest.raises(SiteFileError, match=message):
        main(["check", "--site", str(site), *options])
