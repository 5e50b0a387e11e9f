"""Grafts that reach into the backbone, with and without the kept part.

    FEDGRAFT_DATA=... python benchmarks/stages.py [--rounds 4] [--repeat 3] [--plot FILE]

Five sites (Dirichlet 0.5) of PneumoniaMNIST at 64 px on tf_efficientnet_lite0, `fedgraft simulate` as a whole process
with an empty store. Everything before the first trained layer is constant: engine.keep=true computes it once per case
and keeps it, engine.keep=false runs it for every batch. The result is the same; the last column says how nearly.

  head only            backbone.freeze=all                              the features are kept
  last stage and head  backbone.freeze=blocks.5                         the output of blocks.5 is kept
  last two stages      backbone.freeze=blocks.4                         the output of blocks.4 is kept
  SSF everywhere       adaptation=ssf: scale and shift after each stage  little is constant: only the first stage
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import measure
from measure import FEDGRAFT, MB
from report import Result, publish
from rich.progress import track

PLAN = (
    *("data=pneumoniamnist", "data.image_size=64", "partition=dirichlet", "partition.alpha=0.5", "partition.sites=5"),
    *("train.epochs=1", "loss.weights=local"),
)
GRAFTS = {
    "head only": ("backbone.freeze=all",),
    "last stage and head": ("backbone.freeze=blocks.5",),
    "last two stages": ("backbone.freeze=blocks.4",),
    "SSF everywhere": ("adaptation=ssf",),
}
Key = tuple[str, bool]


@dataclass(frozen=True)
class Run:
    """One whole process: seconds, of it per round after the first; anonymous memory in bytes; AUROC at the end."""

    seconds: float
    per_round: float
    anonymous: int
    auroc: float


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=4, help="of each run, at least 2 (4)")
    parser.add_argument("--only", choices=GRAFTS, nargs="+", default=list(GRAFTS), help="some grafts only")
    parser.add_argument("overrides", nargs="*", help="for every plan, for instance data.normals=100")
    options = parser.parse_args()
    found: dict[Key, list[Run]] = {(graft, keep): [] for graft in options.only for keep in (True, False)}
    for _ in range(options.repeat):
        for (graft, keep), runs in track(found.items(), "measuring"):
            runs.append(measured(graft, keep, max(2, options.rounds), options.overrides))
    publish(result(found, options.repeat, options.rounds, options.overrides), options.plot)


def measured(graft: str, keep: bool, rounds: int, overrides: list[str]) -> Run:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        plan = [*PLAN, *GRAFTS[graft], f"engine.keep={str(keep).lower()}", f"rounds={rounds}", *overrides]
        whole = measure.run([*FEDGRAFT, "simulate", *plan, f"hydra.run.dir='{out}'"], {"FEDGRAFT_CACHE": scratch})
        lines = [json.loads(line) for line in (out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()]
        shutil.rmtree(out)
    per_round = statistics.median(line["seconds"] for line in lines[2:])  # the first round prepares the sites
    return Run(whole.seconds, per_round, whole.anonymous, lines[-1]["test"]["auroc"])


def result(found: dict[Key, list[Run]], repeat: int, rounds: int, overrides: list[str]) -> Result:
    options = " ".join((f"--repeat {repeat}", f"--rounds {rounds}", *overrides))
    middle = {
        key: Run(*(statistics.median(getattr(run, name) for run in runs) for name in Run.__dataclass_fields__))
        for key, runs in found.items()
    }
    rows = []
    for (graft, keep), run in middle.items():
        other = middle[graft, not keep]
        rows.append(
            [
                *(graft, "kept" if keep else "computed again", f"{run.seconds:.1f}", f"{run.per_round:.2f}"),
                *(f"{other.per_round / run.per_round:.2f}", f"{run.anonymous / MB:,.0f}"),
                f"{abs(run.auroc - other.auroc):.5f}",
            ]
        )
    return Result(
        title=f"grafts in later stages, five sites, {rounds} rounds, median of {repeat}",
        command=f"python benchmarks/stages.py {options} --plot docs/performance/stages.png",
        columns=(
            *("graft", "constant part", "whole process, s", "s per round", "times as fast as the other"),
            *("anonymous MB", "AUROC apart"),
        ),
        rows=rows,
        notes=("Seconds per round are of the rounds after the first, which prepares the sites.",),
        bars={
            "seconds per round": {
                f"{'ours' if keep else 'keep=false'}: {graft}": run.per_round for (graft, keep), run in middle.items()
            }
        },
        unit="seconds per round",
        raw={f"{graft}, keep={keep}": [run.__dict__ for run in runs] for (graft, keep), runs in found.items()},
    )


if __name__ == "__main__":
    main()
