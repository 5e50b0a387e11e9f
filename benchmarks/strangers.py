"""2,000 idle and slow connections of strangers at a real coordinator, while a site completes its run.

    python benchmarks/strangers.py [--count 2000] [--source 127.0.0.2] [--rounds 2]

Starts a coordinator and a site on loopback over TLS, and a crowd: two of five connections say nothing, one does its
handshake and no more, one sends a header and one a body a byte at a time. Whoever is sent away comes again. Prints how
long `/health` took, what the site's run did, what the gateway held (connections, memory, lines in its log), and the
same run without a crowd. Exit code 1 if `/health` was ever silent or a run did not complete. `--source 127.0.0.1` is
the site's own address. Needs as many open files (`ulimit -Hn`).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from crowd import Crowd
from deployed import run_to_its_end, service
from loopback import registered_site
from plans import plan_of

from fedgraft.common.runtime.private import private_files
from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment.folder import Folder, Settings, create
from fedgraft.server.deployment.health import is_healthy
from fedgraft.simulations.federation.sites import lay_out

WORDS = ("data=phantom", "data.sites=1", "data.cases=40", "data.image_size=32", "patience.quorum_sites=1")


@dataclass
class Watch:
    """What was seen of the gateway, once a second."""

    folder: Folder
    port: int
    seconds: list[float] = field(default_factory=list)
    silent: int = 0
    held: int = 0
    memory: int = 0

    def look(self) -> None:
        began = time.monotonic()
        if is_healthy(self.folder, self.port):
            self.seconds.append(time.monotonic() - began)
        else:
            self.silent += 1
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"public.gateway\0--listen\x00127.0.0.1\0--port\0{self.port}" in (process / "cmdline").read_text():
                    self.held = max(self.held, len(list((process / "fd").iterdir())))
                    resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                    self.memory = max(self.memory, resident)
            except OSError:
                continue


@contextmanager
def watching(folder: Folder, port: int) -> Iterator[Watch]:
    watch, over = Watch(folder, port), threading.Event()

    def keep() -> None:
        while not over.wait(1.0):
            watch.look()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="(2000)")
    parser.add_argument("--source", default="127.0.0.2", help="the strangers' address (127.0.0.2)")
    parser.add_argument("--rounds", type=int, default=2, help="(2)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, private_files():
        return measured(Path(scratch), given.count, given.source, given.rounds)


def measured(scratch: Path, count: int, source: str, rounds: int) -> int:
    plan = plan_of(*WORDS, f"rounds={rounds}")
    federation = lay_out(plan, scratch / "cohorts", {**os.environ, "FEDGRAFT_CACHE": str(scratch / "cache")})
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder = create(scratch / "coordinator", settings)
    well = True
    with service(scratch / "coordinator.log", "coordinator is up", "coordinator", "start", str(folder.root)):
        ((name, path),) = federation.sites.items()
        site = registered_site(scratch, folder, settings.port, name, path)
        with service(site.with_name("start.log"), "connected to", "site", "start", "--site", str(site)):
            for crowded in (False, True):
                crowd = Crowd(settings.port, folder.authority, count, (source,)) if crowded else nullcontext()
                began = time.monotonic()
                with watching(folder, settings.port) as watch, crowd as strangers:
                    gathered, began = time.monotonic() - began, time.monotonic()
                    code = run_to_its_end(
                        folder.root, scratch / "plan.json", scratch / ("crowded" if crowded else "alone")
                    )
                well &= told(watch, code, time.monotonic() - began, f"{count:,} of {source}" if crowded else "nobody")
                if strangers is not None:
                    print(f"  gathered in {gathered:.1f} s; sent away and come again {strangers.sent_away:,} times")
    log = folder.logs / "gateway.log"
    print(f"  the gateway's log: {len(log.read_bytes())} bytes")
    return 0 if well else 1


def told(watch: Watch, code: int, seconds: float, who: str) -> bool:
    answered = watch.seconds or [float("inf")]
    print(f"at the door: {who}")
    print(f"  the run ended with code {code} after {seconds:.0f} s")
    print(
        f"  /health answered {len(watch.seconds)} times in {1000 * statistics.median(answered):.0f} ms "
        f"(at most {1000 * max(answered):.0f} ms) and was silent {watch.silent} times"
    )
    print(f"  the gateway held at most {watch.held} files open and {watch.memory / 2**20:.0f} MiB")
    return code == 0 and not watch.silent


if __name__ == "__main__":
    raise SystemExit(main())
