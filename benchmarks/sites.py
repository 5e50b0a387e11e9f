"""Many sites in one process: seconds per round and memory by number of sites.

    FEDGRAFT_DATA=... python benchmarks/sites.py [--sites 10 100 1000 10000] [--rounds 8] [--repeat 3] [--plot FILE]

Every site holds 40 PneumoniaMNIST cases. Two plans:

  head only          frozen tf_efficientnet_lite0 at 32 px, all sites every round: what does a site more cost?
  local batch norm   test_efficientnet at 32 px, each site keeps its own batch norm (FedBN), a fiftieth of the sites
                     every round: does memory grow by more than what a site must remember?

Seconds per round are the median of a run's rounds after the first two (the first prepares the sites: that is set-up).
Memory: the most that is resident in the process at one time, anonymous (its own) and file-backed (libraries) apart.
Of thousands of sites a few draw two copies of one image of the data set into different splits, and refuse to take part
(2 of 10,000): no more than one in a thousand may, or the measurement does not count.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import measure
from measure import HERE, MB
from report import Result, publish
from rich.progress import track

BASE = ("data=pneumoniamnist", "data.image_size=32", "data.test=sites", "data.test_fraction=0.1", "train.epochs=1")
PLANS = {
    "head only": (*BASE, "loss.weights=local"),
    "local batch norm": (
        *(*BASE, "loss.weights=local", "adaptation=fedbn", "backbone=timm", "backbone.name=test_efficientnet"),
        *("backbone.pretrained=false", "strategy.fraction=0.02"),
    ),
}


@dataclass(frozen=True)
class Run:
    """One run: seconds, and bytes. ``local``: of the tensors that a site keeps to itself, as they lie on its disk."""

    setup: float
    per_round: float
    anonymous: int
    file_backed: int
    local: int


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument(
        "--sites", type=int, nargs="+", default=[10, 100, 1000, 10000], help="numbers of sites (10 100 1000 10000)"
    )
    parser.add_argument("--rounds", type=int, default=8, help="of each run, at least 4 (8)")
    parser.add_argument("--only", choices=PLANS, nargs="+", default=list(PLANS), help="some plans only")
    options = parser.parse_args()
    found: dict[tuple[str, int], list[Run]] = {(plan, sites): [] for plan in options.only for sites in options.sites}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(options.repeat):
            for (plan, sites), runs in track(found.items(), "measuring"):
                runs.append(measured(plan, sites, max(4, options.rounds), cache))
    publish(result(found, options.repeat), options.plot)


def measured(plan: str, sites: int, rounds: int, cache: str) -> Run:
    """One run as a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "found.json"
        command = [sys.executable, str(HERE / "sites_run.py"), str(sites), str(rounds), scratch, str(out), *PLANS[plan]]
        whole = measure.run(command, {"FEDGRAFT_CACHE": cache})
        found = json.loads(out.read_text(encoding="utf-8"))
    if found["dropped"] or found["unprepared"] > sites / 1000:
        raise SystemExit(
            f"{plan}, {sites} sites: {found['dropped']} answers were dropped, and {found['unprepared']} sites not "
            "prepared; the measurement does not count"
        )
    stamps = found["stamps"]
    after = [late - early for early, late in pairwise(stamps[2:])]
    return Run(stamps[2], statistics.median(after), whole.anonymous, whole.file_backed, found["local"])


def result(found: dict[tuple[str, int], list[Run]], repeat: int) -> Result:
    rows = []
    for (plan, sites), runs in found.items():
        middle = {name: statistics.median(getattr(run, name) for run in runs) for name in Run.__dataclass_fields__}
        rows.append(
            [
                *(plan, f"{sites:,}", f"{middle['setup']:.1f}", f"{middle['per_round']:.3f}"),
                *(f"{middle['anonymous'] / MB:,.0f}", f"{middle['file_backed'] / MB:,.0f}"),
            ]
        )
    panels = {plan for plan, _ in found}
    return Result(
        title=f"many sites of 40 cases, median of {repeat}",
        command="python benchmarks/sites.py --plot docs/performance/sites.png",
        columns=("plan", "sites", "first two rounds, s", "s per round", "anonymous MB", "file-backed MB"),
        rows=rows,
        notes=[_growth(plan, found) for plan in PLANS if sum(p == plan for p, _ in found) > 1],
        bars={
            **{f"{plan}: s per round": _bars(found, plan, "per_round", 1) for plan in PLANS if plan in panels},
            **{f"{plan}: anonymous MB": _bars(found, plan, "anonymous", MB) for plan in PLANS if plan in panels},
        },
        unit="",
        raw={f"{plan}, {sites} sites": [run.__dict__ for run in runs] for (plan, sites), runs in found.items()},
    )


def _bars(found: dict[tuple[str, int], list[Run]], plan: str, what: str, unit: float) -> dict[str, float]:
    chosen = {sites: runs for (name, sites), runs in found.items() if name == plan}
    return {
        f"ours, {sites:,}": statistics.median(getattr(run, what) for run in runs) / unit
        for sites, runs in chosen.items()
    }


def _growth(plan: str, found: dict[tuple[str, int], list[Run]]) -> str:
    numbers = sorted(sites for name, sites in found if name == plan)
    least, most = (statistics.median(run.anonymous for run in found[plan, n]) for n in (numbers[0], numbers[-1]))
    each = (most - least) / (numbers[-1] - numbers[0]) / 1e3
    local = max(run.local for run in found[plan, numbers[-1]]) / 1e3
    return (
        f"{plan}: {each:,.0f} kB of anonymous memory for each site more, from {numbers[0]:,} to {numbers[-1]:,} sites; "
        f"a site's own tensors are {local:,.0f} kB."
    )


if __name__ == "__main__":
    main()
