"""How near virtual time comes to a deployed run over a long and narrow line.

    FEDGRAFT_DATA=... python benchmarks/clock_line.py [--sites 1] [--rounds 6] [--mbit 20] [--delay 0.05] [OVERRIDE ...]

Coordinator and sites as processes of their own, over TLS on loopback; each site behind a relay of its own that lets
through so many Mbit/s in each direction and holds each piece for so many seconds. Then the run's own ledger is given to
`fedgraft.simulations.clock` with that line, a latency of 2 s and 9 round trips (docs/planning.md) and this machine's
seconds per case. Prints the seconds of a round (mean without the first) as measured, as predicted, and their ratio.
``--mbit 0 --delay 0`` is loopback as it is, where what is left of a round is the latency.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import mean

import torch
from deployed import all_sites, run_to_its_end, service
from loopback import registered_site
from plans import plan_of
from relay import Relay

from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import Profile
from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment.folder import Settings, create
from fedgraft.simulations.clock.case_cost import calibrate
from fedgraft.simulations.clock.folder import pace_of, read_facts, read_lines, site_names
from fedgraft.simulations.clock.timeline import Step, timeline
from fedgraft.simulations.federation.sites import lay_out

WORDS = (
    *("data=pneumoniamnist", "data.image_size=64", "data.test=sites", "data.test_fraction=0.2", "clock=clinics"),
    *("partition.alpha=5", "clock.sites={}", "decide.unseen=null", "engine.threads=1"),
)
LATENCY, TRIPS = 2.0, 9
AS_FAST = 1e5  # Mbit/s, of loopback as it is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=1, help="several share this machine's cores (%(default)s)")
    parser.add_argument("--rounds", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--mbit", type=float, default=20.0, help="of each site's line (%(default)s)")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds each way (%(default)s)")
    parser.add_argument("overrides", nargs="*", help="for the plan, for instance backbone.freeze=blocks.5")
    given = parser.parse_args()
    dealt = (f"partition.sites={given.sites}", f"rounds={given.rounds}", f"patience.quorum_sites={given.sites}")
    latency = f"clock.latency={LATENCY + TRIPS * 2 * given.delay}"
    plan = plan_of(*WORDS, *dealt, latency, *given.overrides)
    with tempfile.TemporaryDirectory() as scratch:
        out = deployed(Path(scratch), plan, given.mbit * 1e6 / 8 or None, given.delay)
        manifest = next((Path(scratch) / "cohorts").rglob("manifest.csv"))
        torch.set_num_threads(1)  # as each site has
        costs = calibrate(plan, read_manifest(manifest)[:8])
        assert plan.clock is not None
        line = Profile(1.0, given.mbit or AS_FAST, given.mbit or AS_FAST, 1.0)
        facts = read_facts(out, plan)
        steps = timeline(facts, pace_of(plan.clock, dict.fromkeys(site_names(out, facts.entries), line), costs))
        show(steps, read_lines(out / "rounds.jsonl"))


def deployed(scratch: Path, plan: Plan, rate: float | None, delay: float) -> Path:
    """The folder of a run of the plan over such lines."""
    federation = lay_out(plan, scratch / "cohorts", {**os.environ, "FEDGRAFT_CACHE": str(scratch / "cache")})
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder, out = create(scratch / "coordinator", settings), scratch / "run"
    with service(scratch / "coordinator.log", "coordinator is up", "coordinator", "start", str(folder.root)):
        files = []
        for name, at in federation.sites.items():
            relay = Relay(settings.port, rate, delay)
            files.append(registered_site(scratch, folder, relay.port, name, at))
        with all_sites(files):
            if run_to_its_end(folder.root, scratch / "plan.json", out):
                raise SystemExit("the run did not complete")
    return out


def show(steps: tuple[Step, ...], rounds: list[dict[str, float]]) -> None:
    """``rounds``: the lines of ``rounds.jsonl``, the first of which is before any training."""
    trained = {step.round: step for step in steps if step.what == "train"}
    measured = {int(line["round"]): line["seconds"] for line in rounds if line["round"]}
    later = sorted(trained)[1:]
    ours, found = mean(trained[number].seconds for number in later), mean(measured[number] for number in later)
    print(f"a round: measured {found:.2f} s, predicted {ours:.2f} s, ratio {ours / found:.3f}")
    slowest = [trained[number].sites[trained[number].waited_for] for number in later]
    parts = {name: mean(getattr(one, name) for one in slowest) for name in ("download", "compute", "upload", "latency")}
    print(json.dumps({"measured": [measured[number] for number in later], "predicted by part": parts}))


if __name__ == "__main__":
    main()
