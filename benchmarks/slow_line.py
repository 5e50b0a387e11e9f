"""A large backbone over a slow line that breaks off on the way: does it arrive, and is what had arrived sent again?

    python benchmarks/slow_line.py [--backbone resnet101] [--mbit 1] [--cut 0.5] [--away 20]

A coordinator and a site on loopback over TLS, between them a relay that lets through so many Mbit/s in each direction.
Once the share ``--cut`` of the network has arrived, the line is cut for so many seconds. The network has random
weights; the run takes one round. Prints the bytes of the message with the network, those that came down in the whole
run, their ratio (half of it more is sent again if nothing is kept), and how long the run took in times of what the line
needs for that message. Exit code 1 if the run did not complete. The defaults take about
25 minutes; `--backbone tf_efficientnet_lite0` 3.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from deployed import run_to_its_end, service
from loopback import registered_site
from plans import plan_of
from relay import Relay

from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.private import private_files
from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment.folder import Settings, create
from fedgraft.simulations.federation.sites import lay_out

WORDS = (
    *("data=phantom", "data.sites=1", "data.cases=40", "data.image_size=64", "patience.quorum_sites=1", "rounds=1"),
    *("backbone.pretrained=false", "decide.unseen=null"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet101", help="(%(default)s)")
    parser.add_argument("--mbit", type=float, default=1.0, help="(%(default)s)")
    parser.add_argument("--cut", type=float, default=0.5, help="(%(default)s); 0 for no cut")
    parser.add_argument("--away", type=float, default=20.0, help="seconds (%(default)s)")
    given = parser.parse_args()
    plan = plan_of(*WORDS, f"backbone.name={given.backbone}")
    with tempfile.TemporaryDirectory() as scratch, private_files():
        return _measured(Path(scratch), plan, given.mbit * 1e6 / 8, given.cut, given.away)


def _measured(scratch: Path, plan: Plan, rate: float, cut: float, away: float) -> int:
    federation = lay_out(plan, scratch / "cohorts", {**os.environ, "FEDGRAFT_CACHE": str(scratch / "cache")})
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder, relay = create(scratch / "coordinator", settings), Relay(settings.port, rate)
    with service(scratch / "coordinator.log", "coordinator is up", "coordinator", "start", str(folder.root)):
        ((name, path),) = federation.sites.items()
        site = registered_site(scratch, folder, relay.port, name, path)
        with service(site.with_name("start.log"), "connected to", "site", "start", "--site", str(site)):
            before, began, over = relay.down, time.monotonic(), threading.Event()
            cutter = threading.Thread(target=_cut, args=(relay, before, _size(scratch, plan) * cut, away, over))
            if cut:
                cutter.start()
            code = run_to_its_end(folder.root, scratch / "plan.json", scratch / "run")
            over.set()
            took, came = time.monotonic() - began, relay.down - before
            print((site.with_name("start.log")).read_text())
    return _told(scratch / "run", code, took, came, rate)


def _size(scratch: Path, plan: Plan) -> int:
    import timm

    network = timm.create_model(plan.backbone.name, num_classes=0)
    return 4 * sum(tensor.numel() for tensor in network.state_dict().values())


def _cut(relay: Relay, before: int, after: float, away: float, over: threading.Event) -> None:
    while relay.down - before < after:
        if over.wait(0.2):
            return
    print(f"cut after {relay.down - before:,} bytes, for {away:g} s", flush=True)
    relay.cut()
    over.wait(away)
    relay.join()


def _told(out: Path, code: int, took: float, came: int, rate: float) -> int:
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    for line in lines:
        print(
            f"  round {line['round']} {line['what']}: {line['outcome']}, {line['bytes_down']:,} bytes {line['reason']}"
        )
    size = max(line["bytes_down"] for line in lines)
    print(f"the run ended with code {code}; the network's message has {size:,} bytes")
    print(f"came down in all: {came:,} bytes, {came / size:.3f} of that")
    print(f"took {took:.0f} s, {took * rate / size:.2f} of what the line needs for it")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
