"""A real coordinator and real sites on loopback, with TLS, keys and processes, for the tests of this folder.

``deployment`` is one coordinator for all tests of the folder (about six seconds to start), which ends with the last of
them: a SuperLink takes a tenth of a processor as long as it stands. ``start_site`` connects a site to it and ends it
after the test; ``site_file`` writes a ``site.yaml``, makes a key and registers it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fedgraft.client.account.secret import write_seed
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, Fractions, ReleasePolicy, SiteFile, write_site_file
from fedgraft.common.runtime.private import private_files
from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment import sites
from fedgraft.server.deployment.folder import Folder, Settings, create, read_sites

FEDGRAFT = ("-P", "-m", "fedgraft.common.cli")
SECONDS = 300.0


@dataclass
class Service:
    """A ``fedgraft ... start`` in the foreground of its own process."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, words: str, seconds: float = SECONDS) -> None:
        """Wait until it has printed ``words``."""
        deadline = time.monotonic() + seconds
        while words not in self.said():
            assert self.process.poll() is None, f"it ended before it said {words!r}:\n{self.said()}"
            assert time.monotonic() < deadline, f"it never said {words!r}:\n{self.said()}"
            time.sleep(0.1)

    def stop(self) -> int:
        """Ask it to end, as systemd does; returns its exit code."""
        self.process.terminate()
        return self.process.wait(30)


AS_PLANNED = Fractions(0.15, 0.25)
"""As the plans say; with a plan's seed for a secret, cases are split as simulated."""


@dataclass
class Deployment:
    """A running coordinator."""

    folder: Folder
    settings: Settings
    scratch: Path
    services: list[Service] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"localhost:{self.settings.port}"

    def service(self, log: Path, *arguments: str, python: str | Path = sys.executable) -> Service:
        """Start a ``fedgraft`` command that stays."""
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [python, *FEDGRAFT, *arguments], stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        self.services.append(Service(process, log))
        return self.services[-1]

    def stop(self) -> None:
        """End what still runs, the coordinator last."""
        for service in reversed(self.services):
            if service.process.poll() is None:
                service.stop()

    def start_site(self, site_yaml: Path, *arguments: str) -> Service:
        """Start ``fedgraft site start``; whoever calls this stops it."""
        return self.service(site_yaml.parent / "start.log", "site", "start", "--site", str(site_yaml), *arguments)

    def command(
        self, *arguments: str, seconds: float = 120.0, python: str | Path = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """Run a ``fedgraft`` command that ends."""
        line = [python, *FEDGRAFT, *arguments]
        return subprocess.run(line, capture_output=True, text=True, timeout=seconds, check=False)

    def shut_out(self, names: Collection[str]) -> None:
        """Unregister those sites that are registered."""
        for site in read_sites(self.folder):
            if site.name in names:
                sites.unregister(self.folder, site.name)

    def site_file(self, name: str, manifest: Path, *, register: bool = True, split: Fractions = AS_PLANNED) -> Path:
        """A new site: its file and key; admitted by the coordinator unless ``register`` is false."""
        folder = self.scratch / name
        public = make_key_pair(folder / "site.key", name)
        coordinator = Coordinator(self.address, self.folder.authority, folder / "site.key")
        as_simulated = ReleasePolicy(scores="fine", min_patients=1)
        state = folder / "state"
        kept = {"threads": 1, "release": as_simulated, "split": split, "approval": "all"}
        site = SiteFile(name, manifest, state, coordinator=coordinator, **kept)
        write_site_file(folder / "site.yaml", site)
        write_seed(state, 0)
        if register:
            with private_files():  # as `fedgraft coordinator register` does
                sites.register(self.folder, public, name)
        return folder / "site.yaml"


@pytest.fixture(autouse=True)
def _private() -> Iterator[None]:
    """What a test does to a coordinator in its own process makes private files, as the command does."""
    with private_files():
        yield


@pytest.fixture(scope="session")
def until_the_folder_is_left() -> Iterator[ExitStack]:
    """What ends when the next test is one of another folder."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def _leave_the_folder(request: pytest.FixtureRequest, until_the_folder_is_left: ExitStack) -> None:
    folder = request.node.getparent(pytest.Dir)
    folder.addfinalizer(until_the_folder_is_left.close)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, until_the_folder_is_left: ExitStack) -> Deployment:
    """One coordinator for all tests of the folder."""
    scratch = tmp_path_factory.mktemp("deployment")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    with private_files():  # as `fedgraft coordinator init` does
        running = Deployment(create(scratch / "coordinator", settings), settings, scratch)
    until_the_folder_is_left.callback(running.stop)
    service = running.service(scratch / "coordinator.log", "coordinator", "start", str(running.folder.root))
    service.wait_for("coordinator is up")
    return running


@pytest.fixture
def start_site(deployment: Deployment) -> Iterator[Callable[..., Service]]:
    """Connects a site; when the test is over ends it and shuts it out, so that no later run waits for it."""
    started: list[Service] = []
    names: set[str] = set()

    def start(site_yaml: Path, *arguments: str, wait: bool = True) -> Service:
        service = deployment.start_site(site_yaml, *arguments)
        started.append(service)
        names.add(site_yaml.parent.name)
        if wait:
            service.wait_for("connected to")
        return service

    yield start
    for service in started:
        if service.process.poll() is None:
            service.stop()
    deployment.shut_out(names)


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> Iterator[None]:
    """Loopback is reached directly."""
    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = "localhost,127.0.0.1"
    yield
    if before is None:
        del os.environ["NO_PROXY"]
    else:
        os.environ["NO_PROXY"] = before
