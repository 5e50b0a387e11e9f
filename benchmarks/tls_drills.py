"""Kill processes of a real federation at random moments, and see how its runs end.

    python benchmarks/tls_drills.py [--kills 100] [--seed 0] [--only WHO ...]

A coordinator and three sites on loopback over TLS, each under a stand-in for systemd that starts it again. A run of
six rounds is disturbed by kills (SIGKILL) of a process chosen at random, four a run. It must end by itself: with the
bits of an undisturbed run, or with what was lost named by site and round in ``summary.json`` (``dropped``). Prints a
table of who was killed; the exit code is 1 if a run ended otherwise, or not at all within five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import FEDGRAFT, QUIET
from plans import plan_of
from rich.console import Console
from rich.table import Table

from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file, write_site_file
from fedgraft.common import tensors
from fedgraft.common.runtime.processes import free_port
from fedgraft.common.runtime.run_lock import LOCK
from fedgraft.server.deployment import sites
from fedgraft.server.deployment.folder import Folder, Settings, create
from fedgraft.simulations.federation.sites import lay_out

KILLS_A_RUN, STUCK_SECONDS = 4, 300.0
WORDS = ("data=phantom", "data.sites=3", "data.cases=40", "data.image_size=32", "rounds=6", "compression=topk")
VICTIMS = ("coordinator", "superlink", "gateway", "server app", "site", "supernode", "executor", "message")


class Service:
    """``fedgraft ... start``, started again whenever it ends, as by systemd."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log, self._arguments, self._stopping = log, arguments, threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self.process = self._start()
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as stream:
            return subprocess.Popen(
                [*FEDGRAFT, *self._arguments], stdout=stream, stderr=stream, env={**os.environ, **QUIET}
            )

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self.process.wait()
            if not self._stopping.wait(1.0):
                self.process = self._start()

    def stop(self) -> None:
        self._stopping.set()
        self.process.terminate()
        self.process.wait(30)


@dataclass
class Federation:
    folder: Folder
    coordinator: Service
    hospitals: list[Service]
    out: Path = field(default_factory=Path)

    def victim(self, who: str, chance: random.Random) -> int | None:
        """The process id of a victim; ``None`` if there is none now."""
        if who == "coordinator":
            return self.coordinator.process.pid
        if who in ("superlink", "gateway"):
            word = {"superlink": "flower-superlink", "gateway": "deployment.gateway"}[who]
            return next(iter(below(self.coordinator.process.pid, word)), None)
        if who == "server app":
            lock = self.out / LOCK
            text = lock.read_text() if lock.is_file() else ""
            return int(text) if text and alive(int(text)) else None
        site = chance.choice(self.hospitals).process.pid
        if who == "site":
            return site
        if who == "supernode":
            return next(iter(below(site, "deployment.supernode")), None)
        executor = next(iter(below(site, "deployment.executor")), None)
        if who == "executor" or executor is None:
            return executor
        return next((one for server in below(executor, "forkserver") for one in below(server)), None)


def below(parent: int, words: str = "") -> list[int]:
    """The children of a process whose command line holds ``words``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdecimal():
                continue
            above = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and words in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def federation(scratch: Path) -> tuple[Federation, Path]:
    """A running federation, and the file of its plan."""
    plan = plan_of(*WORDS, "patience.quorum_sites=2")
    cohorts = lay_out(plan, scratch / "cohorts", {**os.environ, "FEDGRAFT_CACHE": str(scratch / "cache")})
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder = create(scratch / "coordinator", settings)
    coordinator = Service(scratch / "coordinator.log", "coordinator", "start", str(folder.root))
    wait(lambda: "coordinator is up" in coordinator.log.read_text())
    hospitals = []
    for name, path in cohorts.sites.items():
        home = scratch / "sites" / name
        public = make_key_pair(home / "site.key", name)
        address = Coordinator(f"localhost:{settings.port}", folder.authority, home / "site.key")
        manifest = read_site_file(path).manifest
        write_site_file(home / "site.yaml", SiteFile(name, manifest, home / "state", threads=1, coordinator=address))
        sites.register(folder, public, name)
        hospitals.append(Service(home / "start.log", "site", "start", "--site", str(home / "site.yaml")))
    for one in hospitals:
        wait(lambda one=one: "connected to" in one.log.read_text())  # type: ignore[misc]
    return Federation(folder, coordinator, hospitals), scratch / "plan.json"


def wait(what: Callable[[], object], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def ended(out: Path) -> bool:
    return (out / "checkpoint" / "complete").exists() or (out / "ended.json").exists()


def begin(where: Federation, plan: Path, out: Path) -> None:
    """Submit a run; its terminal may go, as the run does not."""
    where.out = out
    arguments = [*FEDGRAFT, "coordinator", "run", str(where.folder.root), "--plan", str(plan), "--out", str(out)]
    with out.with_suffix(".log").open("wb") as log:
        subprocess.Popen(arguments, stdout=log, stderr=log, env={**os.environ, **QUIET}, start_new_session=True)
    if not wait(lambda: (out / LOCK).exists()):
        raise SystemExit(f"the run did not begin:\n{out.with_suffix('.log').read_text()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=VICTIMS, default=VICTIMS, help="whom to kill (all of them)")
    given = parser.parse_args()
    chance, killed, ends = random.Random(given.seed), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        where, plan = federation(Path(folder))
        try:
            before = time.monotonic()
            begin(where, plan, Path(folder) / "whole")
            if not wait(lambda: ended(where.out), STUCK_SECONDS):
                raise SystemExit("the undisturbed run did not end")
            seconds, expected = time.monotonic() - before, model_of(where.out)
            print(f"undisturbed: {seconds:.0f} s", file=sys.stderr)
            while killed.total() < given.kills:
                begin(where, plan, Path(folder) / f"run-{ends.total()}")
                whom = disturb(where, given.only, chance, seconds, min(KILLS_A_RUN, given.kills - killed.total()))
                end = how_it_ended(where, expected)
                killed.update(whom)
                ends[end] += 1
                print(f"killed {', '.join(whom)}: {end}", file=sys.stderr)
                if end.startswith("WRONG"):
                    print(where.coordinator.log.read_text()[-3000:], file=sys.stderr)
        finally:
            for one in (*where.hospitals, where.coordinator):
                one.stop()
    show(killed, ends, seconds)
    return 1 if any(end.startswith("WRONG") for end in ends) else 0


def disturb(where: Federation, who: tuple[str, ...], chance: random.Random, seconds: float, times: int) -> list[str]:
    """Kill someone several times while a run goes on; returns whom."""
    whom: list[str] = []
    while len(whom) < times and not ended(where.out):
        time.sleep(chance.uniform(0, 1.5 * seconds / times))
        name = chance.choice(who)
        pid = where.victim(name, chance)
        if pid is not None and not ended(where.out):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            whom.append(name)
    return whom


def how_it_ended(where: Federation, expected: str) -> str:
    if not wait(lambda: ended(where.out), STUCK_SECONDS):
        return "WRONG: it did not end"
    if not (where.out / "checkpoint" / "complete").exists():
        return f"WRONG: {json.loads((where.out / 'ended.json').read_text())['reason'].splitlines()[0]}"
    if model_of(where.out) == expected:
        return "same bits"
    dropped = json.loads((where.out / "summary.json").read_text())["dropped"]
    return "other bits, the loss named" if dropped else "WRONG: other bits, and nothing named"


def model_of(out: Path) -> str:
    return tensors.digest(tensors.load(out / "model" / "model.safetensors"))


def show(killed: Counter[str], ends: Counter[str], seconds: float) -> None:
    for title, counts in (("killed", killed), ("runs that ended with", ends)):
        table = Table(title, "how often")
        for name, count in counts.most_common():
            table.add_row(name, str(count))
        Console().print(table)
    print(f"a run that nobody disturbs takes {seconds:.0f} s")


if __name__ == "__main__":
    raise SystemExit(main())
