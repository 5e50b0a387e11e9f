"""The coordinator's folder, its list of sites, its bundle, and how it keeps its children alive."""

import socket
import stat
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.only_one import only_one
from fedgraft.common.runtime.processes import Child, Program, free_port, start, stop
from fedgraft.server import cli
from fedgraft.server.deployment import orders, sites, supervisor
from fedgraft.server.deployment.bundle import write_bundle
from fedgraft.server.deployment.folder import Folder, Settings, create, read_sites
from fedgraft.server.deployment.invitations import invite
from fedgraft.server.watching.hospitals import site_table

SETTINGS = Settings(("localhost",), 18443, "127.0.0.1", 18444)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return create(tmp_path / "c", SETTINGS)


def public_key(folder: Path, name: str = "north") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", str(folder / name)], check=True)
    return folder / f"{name}.pub"


def test_init_writes_settings_that_read_back(folder: Folder) -> None:
    assert folder.settings() == SETTINGS
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.secret.stat().st_mode) == 0o600


def test_init_never_overwrites(folder: Folder) -> None:
    before = folder.authority_key.read_bytes()
    with pytest.raises(DeploymentError, match="nothing was changed"):
        create(folder.root, SETTINGS)
    assert folder.authority_key.read_bytes() == before


def test_a_folder_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="fedgraft coordinator init"):
        Folder(tmp_path).settings()


def test_every_wrong_setting_is_named(folder: Folder) -> None:
    folder.settings_file.write_text("hosts: []\nport: 99999\nprot: 1\n")
    with pytest.raises(DeploymentError) as raised:
        folder.settings()
    for name in ("hosts", "port", "prot"):
        assert f"  - {name}" in str(raised.value)


def test_ports_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="must differ"):
        create(tmp_path / "c", Settings(("localhost",), 8443, "0.0.0.0", 8443))
    with pytest.raises(DeploymentError, match="--internal-port 65536 is no port"):
        cli.main(["init", str(tmp_path / "d"), "--host", "localhost", "--port", "65535"])


def test_a_new_coordinator_is_told_to_invite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(tmp_path / "c"), "--host", "fl.example.org"]) == 0
    made, secret, start, invites = capsys.readouterr().out.splitlines()
    assert made == f"made {tmp_path / 'c'}; sites reach it at fl.example.org:8443"
    assert "keep " in secret and start == f"next: fedgraft coordinator start {tmp_path / 'c'}"
    assert invites.startswith(f"once it runs: fedgraft coordinator invite {tmp_path / 'c'} NAME ... prints a line for")


def test_orders_to_a_coordinator_that_is_away(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="is not running; `fedgraft coordinator start`"):
        orders.node_states(folder)
    with pytest.raises(DeploymentError, match="is not running"):
        cli.main(["stop", str(folder.root), "1"])


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    folder = create(tmp_path / "d", Settings(("localhost",), free_port(), "127.0.0.1", port := free_port()))
    taken = socket.create_server(("127.0.0.1", port))
    with (
        taken,
        pytest.raises(DeploymentError, match=rf"--internal-port {port} on 127\.0\.0\.1 can't be used"),
    ):
        supervisor.serve(folder)


def test_an_expired_certificate_stops_the_start(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from fedgraft.server.deployment import pki

    monkeypatch.setattr(pki, "SERVER_LIFETIME", timedelta(seconds=-10))
    pki.issue_server_certificate(
        folder.authority, folder.authority_key, folder.certificate, folder.certificate_key, ["localhost"]
    )
    with pytest.raises(DeploymentError, match=r"expired on .*fedgraft coordinator renew"):
        supervisor.serve(folder)


def test_sites_are_admitted_once(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes: dict[str, str] = {}

    def ask(_: Folder, method: str, **fields: Any) -> Any:
        if method == "RegisterNode":
            nodes[str(len(nodes) + 7)] = "registered"
            return SimpleNamespace(node_id=len(nodes) + 6)
        if method == "UnregisterNode":
            del nodes[str(fields["node_id"])]
        listed = [SimpleNamespace(node_id=int(node), status=status) for node, status in nodes.items()]
        return SimpleNamespace(nodes_info=listed)

    monkeypatch.setattr(orders, "ask", ask)
    key = public_key(tmp_path)
    shown = subprocess.run(["ssh-keygen", "-lf", str(key)], capture_output=True, text=True, check=True)
    site = sites.register(folder, key, "north")
    assert site.fingerprint == shown.stdout.split()[1]
    assert read_sites(folder) == (site,)
    with pytest.raises(DeploymentError, match="--name north is taken"):
        sites.register(folder, key, "north")
    with pytest.raises(DeploymentError, match="registered already, as north"):
        sites.register(folder, key, "south")
    with pytest.raises(DeploymentError, match="letters, digits"):
        sites.register(folder, key, "no rth")
    with pytest.raises(DeploymentError, match="private key and must not leave"):
        sites.register(folder, key.with_suffix(""), "south")
    head, line = site_table(folder).splitlines()
    assert head.split() == ["site", "state", "last", "heard", "cases", "told", "counts", "for", "node", "key"]
    assert line.split() == [*["north", "registered", "never", "not", "told", "any", "number", "7"], site.fingerprint]
    with pytest.raises(DeploymentError, match="no site is registered as 'south'; registered: north"):
        sites.unregister(folder, "south")
    sites.unregister(folder, "north")
    assert read_sites(folder) == ()
    assert "no site is registered yet; `fedgraft coordinator invite DIR NAME`" in site_table(folder)
    invite(folder, ["east"], 3600.0, time.time())
    capsys.readouterr()
    assert cli.main(["sites", str(folder.root)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "no site is registered yet; who was invited joins with the line that `invite` printed:"
    assert second.startswith("east: invited, until ")


def test_the_bundle_carries_no_code(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    assert [path.name for path in bundle.iterdir()] == ["pyproject.toml"]
    app = tomllib.loads((bundle / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    assert app["config"] == {"plan": "{}", "run": "", "resume": "", "extend": ""}
    assert app["components"] == {
        "serverapp": "fedgraft.server.app:app",
        "clientapp": "fedgraft.client.app.client_app:app",
    }


@pytest.mark.parametrize(
    ("status", "finished", "completed"),
    [
        ("pending", False, False),
        ("running", False, False),
        ("finished:completed", True, True),
        ("finished:failed", True, False),
        ("finished:stopped", True, False),
    ],
)
def test_only_a_completed_run_is_a_success(status: str, finished: bool, completed: bool) -> None:
    state = orders.FlowerRun("1", status, "", "1 s")
    assert (state.finished, state.completed) == (finished, completed)


def program(folder: Path, name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-c", code), {}, folder / f"{name}.log", folder)


def test_a_child_that_dies_is_started_again_and_named_when_hopeless(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sleeper = program(tmp_path, "gateway", "import time; time.sleep(60)")
    dying = program(tmp_path, "superlink", "raise SystemExit(9)")
    for name, given in (("superlink", dying), ("gateway", sleeper), ("superexec", sleeper)):
        monkeypatch.setattr(supervisor, f"{name}_program", lambda *_, given=given: given)
    monkeypatch.setattr(supervisor, "is_healthy", lambda *_: True)
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.0)
    children: list[Child] = []
    with only_one(tmp_path / "lock", "the coordinator") as holder:
        try:
            assert supervisor._run(folder, SETTINGS, children, threading.Event(), holder) == 1
        finally:
            stop(children)
    said = capsys.readouterr().out
    assert said.count("superlink ended with code 9; starting it again") == supervisor.RESTARTS + 1
    assert "superlink keeps ending; giving up" in said
    assert not any(child.alive for child in children)


def test_stop_ends_a_child_that_will_not_listen(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    child = start(program(tmp_path, "deaf", code))
    while not child.output():
        time.sleep(0.02)
    stop([child], grace=0.3)
    assert child.process.returncode == -9
