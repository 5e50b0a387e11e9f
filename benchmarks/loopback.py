"""A real federation on loopback over TLS, for drills: coordinator and sites, each under a stand-in for systemd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import FEDGRAFT, QUIET
from plans import plan_of
from process_tree import alive, below
from relay import Relay

from fedgraft.client.account.secret import FILE as SECRET
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file, write_site_file
from fedgraft.common import tensors
from fedgraft.common.runtime.processes import free_port
from fedgraft.common.runtime.run_lock import LOCK
from fedgraft.server.deployment import sites
from fedgraft.server.deployment.folder import Folder, Settings, create
from fedgraft.server.deployment.open_runs import is_complete, why_ended
from fedgraft.simulations.federation.sites import lay_out

ENVIRONMENT = {**os.environ, **QUIET}


class Service:
    """``fedgraft ... start``, started again a second after it ended, as by systemd."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log, self._arguments, self._more = log, arguments, dict[str, str]()
        self._stopping = threading.Event()
        self.process = self._start()
        threading.Thread(target=self._keep, daemon=True).start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as stream:
            command = [*FEDGRAFT, *self._arguments]
            return subprocess.Popen(command, stdout=stream, stderr=stream, env={**ENVIRONMENT, **self._more})

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self.process.wait()
            if not self._stopping.wait(1.0):
                self.process = self._start()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def again(self, ready: str, more: Mapping[str, str]) -> bool:
        """Stop it in order; it is started again with other variables. Whether it said that it is ready."""
        before, self._more = self.said().count(ready), dict(more)
        self.process.terminate()
        return wait(lambda: self.said().count(ready) > before)

    def stop(self) -> None:
        self._stopping.set()
        self.process.terminate()
        self.process.wait(30)


@dataclass
class Federation:
    """
    Attributes:
        hospitals: the services of the sites by name.
        out: the folder of the present run.
    """

    scratch: Path
    folder: Folder
    relay: Relay
    coordinator: Service
    hospitals: dict[str, Service]
    plan: Path
    out: Path = field(default_factory=Path)

    def state(self, site: str) -> Path:
        return self.scratch / "sites" / site / "state"

    def process(self, site: str, program: str) -> int | None:
        """The process id of a site's ``supernode`` or ``executor``, or of the ``message`` that it answers now."""
        supervisor = self.hospitals[site].process.pid
        if program == "supernode":
            return next(iter(below(supervisor, "deployment.supernode")), None)
        executor = next(iter(below(supervisor, "deployment.executor")), None)
        if program == "executor" or executor is None:
            return executor
        return next((one for server in below(executor, "forkserver") for one in below(server)), None)

    def part(self, program: str) -> int | None:
        """The process id of the coordinator's ``superlink``, ``gateway`` or ``server app``."""
        if program == "server app":
            lock = self.out / LOCK
            text = lock.read_text() if lock.is_file() else ""
            return int(text) if text and alive(int(text)) else None
        words = {"superlink": "flower-superlink", "gateway": "public.gateway"}[program]
        return next(iter(below(self.coordinator.process.pid, words)), None)

    def begin(self, out: Path, plan: Path | None = None) -> None:
        """Submit a run; its terminal may go, as the run does not."""
        self.out, log = out, self.scratch / f"{out.name}.log"
        words = ("coordinator", "run", str(self.folder.root), "--plan", str(plan or self.plan), "--out", str(out))
        with log.open("wb") as stream:
            subprocess.Popen([*FEDGRAFT, *words], stdout=stream, stderr=stream, env=ENVIRONMENT, start_new_session=True)
        if not wait(lambda: (out / LOCK).exists()):
            raise SystemExit(f"the run did not begin:\n{log.read_text()}")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A ``fedgraft`` command that ends."""
        command = [*FEDGRAFT, *words]
        return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False)

    def ended(self) -> bool:
        return is_complete(self.out) or why_ended(self.out) is not None

    def stop(self) -> None:
        for one in (*self.hospitals.values(), self.coordinator):
            one.stop()
        self.relay.close()


def federation(scratch: Path, words: Sequence[str], more: str = "") -> Federation:
    """A running federation of a plan's simulated sites; ``more`` is added to each site's file."""
    plan = plan_of(*words)
    cohorts = lay_out(plan, scratch / "cohorts", {**os.environ, "FEDGRAFT_CACHE": str(scratch / "cache")})
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder, relay = create(scratch / "coordinator", settings), Relay(settings.port)
    coordinator = Service(scratch / "coordinator.log", "coordinator", "start", str(folder.root))
    found = Federation(scratch, folder, relay, coordinator, {}, scratch / "plan.json")
    try:
        wait(lambda: "coordinator is up" in coordinator.said())
        for name, path in cohorts.sites.items():
            file = registered_site(scratch, folder, relay.port, name, path)
            file.write_text(file.read_text(encoding="utf-8") + more, encoding="utf-8")
            found.hospitals[name] = Service(file.with_name("start.log"), "site", "start", "--site", str(file))
        for one in found.hospitals.values():
            wait(lambda one=one: "connected to" in one.said())  # type: ignore[misc]
    except BaseException:
        found.stop()
        raise
    return found


def registered_site(scratch: Path, folder: Folder, port: int, name: str, simulated: Path) -> Path:
    """A registered site over a simulated one's cohort, with a store of its own; returns its file.

    Args:
        port: of the coordinator, as this site reaches it.
    """
    home = scratch / "sites" / name
    public = make_key_pair(home / "site.key", name)
    coordinator = Coordinator(f"localhost:{port}", folder.authority, home / "site.key")
    like = read_site_file(simulated)
    site = SiteFile(
        name, like.manifest, home / "state", threads=1, coordinator=coordinator, split=like.split, approval="all"
    )
    write_site_file(home / "site.yaml", site)
    (home / "state").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(like.state / SECRET, home / "state")  # the same cases train, validate and test
    sites.register(folder, public, name)
    return home / "site.yaml"


def wait(what: Callable[[], object], seconds: float = 120.0, pause: float = 0.1) -> bool:
    """Wait until something is so; returns whether it was in time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def model_of(out: Path) -> str:
    return tensors.digest(tensors.load(out / "model" / "model.safetensors"))


def dropped_in(out: Path) -> list[tuple[str, int, str, str]]:
    """What a run's summary names as lost: site, round, kind of message and reason."""
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return [(one["site"], one["round"], one["what"], one["reason"]) for one in summary["dropped"]]
