"""The training cases that a coordinator registered for a site are read in its runs, also those registered meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment.folder import LIVE, Folder, RegisteredSite, confirmed_cases, read_sites, write_sites
from fedgraft.server.deployment.sites import register


def test_a_run_reads_those_of_its_coordinator(tmp_path: Path) -> None:
    folder, out = Folder(tmp_path / "coordinator"), tmp_path / "run"
    for path in (folder.root, out):
        path.mkdir()
    assert confirmed_cases(out) == {}
    (out / LIVE).write_text(json.dumps({"sites": str(folder.sites_file)}))
    assert confirmed_cases(out) == {}
    north, south = RegisteredSite("north", "1", "SHA256:a", 1300), RegisteredSite("south", "2", "SHA256:b")
    write_sites(folder, (north, south))
    assert confirmed_cases(out) == {"north": 1300}
    write_sites(folder, (RegisteredSite("north", "1", "SHA256:a", 1400), south))
    assert confirmed_cases(out) == {"north": 1400}


def test_a_folder_of_an_older_version_has_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    old = {name: value for name, value in asdict(RegisteredSite("north", "1", "SHA256:a")).items() if name != "cases"}
    folder.sites_file.write_text(json.dumps([old]))
    assert read_sites(folder) == (RegisteredSite("north", "1", "SHA256:a", None),)


def test_no_hospital_has_less_than_one_case(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="--cases 0 must be the hospital's number of training cases, 1 or more"):
        register(Folder(tmp_path), tmp_path / "north.pub", "north", 0)
