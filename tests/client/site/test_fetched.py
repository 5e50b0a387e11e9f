"""A model that was fetched is found by its name."""

import argparse
from pathlib import Path

import pytest

from fedgraft.client.prediction.asked import add_model, loaded_as_asked
from fedgraft.client.site.fetched import model_at
from fedgraft.client.site.machine import machine_of
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.errors import ModelError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteFile:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label,patient\na.png,x,P1\n")
    made = SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state")
    write_site_file(tmp_path / "site.yaml", made)
    return made


def test_by_name_and_by_folder(site: SiteFile, tmp_path: Path) -> None:
    for name in ("triage", "lungs", ".lungs.partial"):
        (site.state / "models" / name).mkdir(parents=True)
    assert model_at(Path("triage"), site) == site.state / "models" / "triage"
    assert model_at(Path("runs/triage"), site) == Path("runs/triage"), "a path is as it is"
    with pytest.raises(
        ModelError, match=r"no model of this name was fetched to .*models \(fetched are: lungs, triage\)"
    ):
        model_at(Path("traige"), site)
    (tmp_path / "triage").mkdir()
    assert model_at(Path("triage"), site) == Path("triage"), "what lies here goes before"


def test_each_command_looks_for_it(site: SiteFile, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["evaluate", "triage"], ["report", "--model", "triage"]):
        assert main(["site", *words]) == 2
        assert "(none was fetched); `fedgraft site fetch` lists what there is" in capsys.readouterr().err
    parser = argparse.ArgumentParser()
    add_model(parser, "")
    for named in (["--site", "site.yaml"], ["--site", "."]):
        with pytest.raises(ModelError, match="none was fetched"):
            loaded_as_asked(parser.parse_args(["triage", *named]), "x", machine_of, scale_from_cases=True)
    with pytest.raises(ModelError, match=r"triage is no folder; .* or name by --site site.yaml the site that fetched"):
        loaded_as_asked(parser.parse_args(["triage"]), "x", machine_of, scale_from_cases=True)
    (site.state / "models" / "triage").mkdir(parents=True)
    with pytest.raises(ModelError, match="models/triage holds no model"):
        loaded_as_asked(parser.parse_args(["triage", "--site", "."]), "x", machine_of, scale_from_cases=True)
