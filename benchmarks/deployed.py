"""A deployed round on loopback, by phase: coordinator and sites as processes of their own, over TLS.

    FEDGRAFT_DATA=... python benchmarks/deployed.py [--sites 3] [--rounds 6] [--plot FILE] [OVERRIDE ...]

``fedgraft coordinator start`` and ``fedgraft site start`` for each site, PneumoniaMNIST at 64 px, a head on frozen
tf_efficientnet_lite0. Each site's own phases.jsonl says where a message's time went there; what is left of a round is
Flower's (polling, pushing, pulling, signatures). A relay between sites and coordinator counts the bytes on the wire.

  receive   from the start of the message's process to its arrival at the ClientApp
  build     plan, backbone from the disk, network
  cohort    manifest, split, and finding (or decoding and computing) what is kept of each case
  evaluate, train, answer   as they say
  Flower    the rest of the round, as the coordinator's clock sees it
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import measure
from loopback import registered_site
from measure import FEDGRAFT, QUIET
from plans import plan_of
from relay import Relay
from report import Result, publish

from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment.folder import Settings, create
from fedgraft.simulations.federation.sites import lay_out

PHASES = ("receive", "build", "cohort", "evaluate", "train", "answer")
WAIT = 90.0
Message = tuple[str, dict[str, float], int]


def main() -> None:
    parser = measure.parser(__doc__ or "", repeat=None)
    parser.add_argument("--sites", type=int, default=3, help="(3)")
    parser.add_argument("--rounds", type=int, default=6, help="at least 4: medians are of rounds 2 to the last (6)")
    parser.add_argument("overrides", nargs="*", help="for the plan, for instance backbone.freeze=blocks.4")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        publish(measured(Path(scratch), options.sites, options.rounds, options.overrides), options.plot)


def measured(scratch: Path, count: int, rounds: int, overrides: list[str]) -> Result:
    shape = ("data=pneumoniamnist", "data.image_size=64", "data.test=sites", "data.test_fraction=0.2")
    dealt = (f"partition.sites={count}", "partition.alpha=5", f"rounds={rounds}", f"patience.quorum_sites={count}")
    plan = plan_of(*shape, *dealt, *overrides)
    federation = lay_out(plan, scratch / "cohorts", {**os.environ, "FEDGRAFT_CACHE": str(scratch / "cache")})
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder, relay = create(scratch / "coordinator", settings), Relay(settings.port)
    root, out = str(folder.root), scratch / "run"
    with service(scratch / "coordinator.log", "coordinator is up", "coordinator", "start", root):
        files = [registered_site(scratch, folder, relay.port, name, at) for name, at in federation.sites.items()]
        with all_sites(files):
            run = [*FEDGRAFT, "coordinator", "run", root, "--plan", str(scratch / "plan.json"), "--out", str(out)]
            subprocess.run(run, check=True, env={**os.environ, **QUIET}, stdout=subprocess.DEVNULL)
    relay.close()
    messages = {file.parent.name: read_phases(file) for file in files}
    lines = [json.loads(line) for line in (out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()]
    ledger = [json.loads(line) for line in (out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    return result(messages, [line["seconds"] for line in lines[1:]], ledger, relay)


def run_to_its_end(root: Path, plan: Path, out: Path) -> int:
    """``fedgraft coordinator run``; prints what it said if it failed, and returns its exit code."""
    command = [*FEDGRAFT, "coordinator", "run", str(root), "--plan", str(plan), "--out", str(out)]
    done = subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr)
    return done.returncode


@contextmanager
def service(log: Path, ready: str, *arguments: str) -> Iterator[None]:
    """A ``fedgraft ... start`` until the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        child = subprocess.Popen([*FEDGRAFT, *arguments], stdout=stream, stderr=stream, env={**os.environ, **QUIET})
    try:
        deadline = time.monotonic() + WAIT
        while ready not in log.read_text(encoding="utf-8", errors="replace"):
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(arguments)} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait(30)


@contextmanager
def all_sites(files: list[Path]) -> Iterator[None]:
    if not files:
        yield
        return
    start = ("site", "start", "--site", str(files[0]))
    with service(files[0].with_name("start.log"), "connected to", *start), all_sites(files[1:]):
        yield


def read_phases(site: Path) -> list[Message]:
    """``(kind of message, seconds by phase, cases computed)``, in order."""
    lines = (site.parent / "state" / "phases.jsonl").read_text(encoding="utf-8").splitlines()
    return [(line["what"], line["seconds"], line["computed"]) for line in map(json.loads, lines)]


def result(
    messages: dict[str, list[Message]], seconds: list[float], ledger: list[dict[str, object]], relay: Relay
) -> Result:
    trained = [[m for m in some if m[0] == "train"] for some in messages.values()]
    first = [m for some in messages.values() for m in some if m[0] == "query.backbone"]
    later = [m for some in trained for m in some[1:]]
    slowest = [max(sum(some[number][1].values()) for some in trained) for number in range(len(seconds))]
    rest = statistics.median(whole - own for whole, own in zip(seconds[1:], slowest[1:], strict=True))
    return Result(
        title=f"a deployed round on loopback, {len(messages)} sites, {len(seconds)} rounds: seconds at a site",
        command="python benchmarks/deployed.py --plot docs/performance/deployed.png",
        columns=("phase", "the first message (with the backbone)", "later rounds, median"),
        rows=[
            *([phase, f"{_median(first, phase):.2f}", f"{_median(later, phase):.2f}"] for phase in PHASES),
            ["cases decoded and computed", str(sum(m[2] for m in first)), str(sum(m[2] for m in later))],
            ["Flower: the rest of the round", "", f"{rest:.2f}"],
            ["a round in all", "", f"{statistics.median(seconds[1:]):.2f}"],
        ],
        notes=_notes(later, ledger, relay),
        bars={
            "later rounds, median": {
                **{f"ours: {phase}": _median(later, phase) for phase in PHASES},
                "Flower: the rest": rest,
            }
        },
        unit="seconds",
        raw={"seconds": seconds, "messages": messages, "wire": {"up": relay.up, "down": relay.down}},
    )


def _median(messages: list[Message], phase: str) -> float:
    return statistics.median(m[1].get(phase, 0.0) for m in messages)


def _notes(later: list[Message], ledger: list[dict[str, object]], relay: Relay) -> list[str]:
    outside = sum(_median(later, phase) for phase in PHASES if phase not in ("train", "evaluate"))
    most = max(int(str(e["bytes_down"])) for e in ledger if e["what"] == "train")
    up, down = (sum(int(str(e[f"bytes_{way}"])) for e in ledger) for way in ("up", "down"))
    return [
        f"From the second round on a site's process spends {outside:.2f} s outside evaluating and training. "
        "It does not import torch: it is forked from a process that has.",
        f"No message of a round brought more than {most:,} bytes to a site: the backbone came once.",
        f"On the wire in all, TLS and polling too: {relay.down:,} bytes to the sites, {relay.up:,} from them. "
        f"The ledger, which counts the content of messages, says {down:,} and {up:,}.",
    ]


if __name__ == "__main__":
    main()
