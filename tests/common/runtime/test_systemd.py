"""Units of systemd: what systemd itself says of them, and what can't stand in one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.server.deployment.folder import Settings, create


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_key_pair(tmp_path / "site.key", "north")
    (tmp_path / "ca.crt").write_text("x")
    coordinator = Coordinator("localhost:1", tmp_path / "ca.crt", tmp_path / "site.key")
    file = SiteFile("north", tmp_path / "m.csv", tmp_path / "state", device="cpu", coordinator=coordinator)
    write_site_file(tmp_path / "site.yaml", file)
    return tmp_path / "site.yaml"


def unit(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main([*command[:2], "--user", "daemon", *command[2:]]) == 0
    return capsys.readouterr().out


def test_a_sites_unit_may_write_to_its_state_only(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = unit(capsys, "site", "service", "--site", str(site))
    state = site.parent / "state"
    assert f"ReadWritePaths={state} {state / 'store'}\n" in text
    assert f"ExecStart={sys.executable} -P -m fedgraft.common.cli site start --site {site}\n" in text
    assert "PrivateDevices=yes" in text
    site.write_text(site.read_text().replace("device: cpu", "device: auto"))
    assert "PrivateDevices" not in unit(capsys, "site", "service", "--site", str(site))


def test_the_units_of_consoles_ask_for_a_password(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = unit(capsys, "site", "service", "--site", str(site), "--console", "--password-file", "word")
    start = f"ExecStart={sys.executable} -P -m fedgraft.common.cli"
    assert f"{start} site console --port 8461 --listen 127.0.0.1 --password-file {tmp_path / 'word'} --site" in text
    assert "/fedgraft-site-console.service" in text
    root = create(tmp_path / "coordinator", Settings(("localhost",))).root
    text = unit(capsys, "coordinator", "service", str(root), "--console", "--password-file=word", "--port=9")
    assert f"{start} coordinator console {root} --port 9 --listen" in text
    assert main(["site", "service", "--site", str(site), "--user", "daemon", "--console"]) == 2
    assert "add --password-file FILE after --console" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units_and_finds_them_little_exposed(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = create(tmp_path / "coordinator", Settings(("localhost",)))
    units = {
        "fedgraft-site": unit(capsys, "site", "service", "--site", str(site)),
        "fedgraft-coordinator": unit(capsys, "coordinator", "service", str(folder.root)),
        "console": unit(capsys, "coordinator", "service", str(folder.root), "--console", "--password-file", "word"),
    }
    for name, text in units.items():
        path = tmp_path / f"{name}.service"
        path.write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
        assert str(path) not in done.stderr, done.stderr
        judged = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
        found = subprocess.run(judged, capture_output=True, text=True, check=False).stdout
        exposure = re.search(r"Overall exposure level.*?([\d.]+) ", found)
        assert exposure is not None, found
        assert float(exposure[1]) < 3.0


def test_what_can_not_be_a_service(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "service", "--site", str(site), "--user", "root"]) == 2
    assert "the service must not run as root; name its account with --user" in capsys.readouterr().err
    folder = create(tmp_path / "with space", Settings(("localhost",)))
    assert main(["coordinator", "service", str(folder.root), "--user", "daemon"]) == 2
    assert "can't stand in a unit of systemd: use a path without spaces" in capsys.readouterr().err
