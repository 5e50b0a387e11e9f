"""What an update costs and what the model loses, by compression of what the sites send.

    FEDGRAFT_DATA=... python benchmarks/compression.py [--rounds 20] [--seeds 0 1 2] [--plot FILE]

Ten sites (Dirichlet 0.5) of PneumoniaMNIST on tf_efficientnet_lite0; the head is trained, or with --graft stage the
last stage too, whose update is megabytes. One `fedgraft simulate compression=...`
for each codec and seed; bytes.up, bytes.down and test.auroc are read from its summary.json. Nothing is timed: the runs
share one store.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import measure
from flwr.app import RecordDict
from measure import FEDGRAFT
from plans import plan_of
from report import Result, publish
from rich.progress import track

from fedgraft.common.models.build import build
from fedgraft.common.wire import messages

CODECS = ("none", "float16", "int8", "topk", "changed")
PLAN = (
    *("data=pneumoniamnist", "data.image_size=64", "partition=dirichlet", "partition.alpha=0.5", "partition.sites=10"),
    "train.epochs=1",
)
GRAFTS = {"stage": "backbone.freeze=blocks.5", "head": "backbone.freeze=all"}


def main() -> None:
    parser = measure.parser(__doc__ or "", repeat=None)
    parser.add_argument("--rounds", type=int, default=20, help="of each run (20)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one run each (0 1 2)")
    parser.add_argument("--codecs", nargs="+", default=list(CODECS), help=f"values of compression ({' '.join(CODECS)})")
    parser.add_argument("--graft", choices=GRAFTS, default="head", help="what is trained, and so travels (head)")
    parser.add_argument("overrides", nargs="*", help="for every plan, for instance partition.sites=3")
    options = parser.parse_args()
    plan = [*PLAN, GRAFTS[options.graft], f"rounds={options.rounds}", *options.overrides]
    codecs = [codec for codec in options.codecs if _known(codec, plan)]
    found: dict[str, list[dict[str, Any]]] = {codec: [] for codec in codecs}
    with tempfile.TemporaryDirectory() as cache:
        for seed, codec in track([(seed, codec) for seed in options.seeds for codec in codecs], "running"):
            found[codec].append(summary(codec, [*plan, f"seed={seed}"], cache))
    absent = [codec for codec in options.codecs if codec not in codecs]
    publish(result(found, absent, options.graft, options.rounds, options.seeds), options.plot)


def _option(codec: str) -> list[str]:
    """Versions without compression run as ``none``."""
    return [] if codec == "none" else [f"compression={codec}"]


def _known(codec: str, plan: Sequence[str]) -> bool:
    command = [*FEDGRAFT, "plan", *plan, *_option(codec)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def summary(codec: str, plan: Sequence[str], cache: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out:
        command = [*FEDGRAFT, "simulate", *plan, *_option(codec), f"hydra.run.dir='{out}'"]
        measure.run(command, {"FEDGRAFT_CACHE": cache})
        found: dict[str, Any] = json.loads((Path(out) / "summary.json").read_text(encoding="utf-8"))
    return found


def result(
    found: dict[str, list[dict[str, Any]]], absent: Sequence[str], graft: str, rounds: int, seeds: Sequence[int]
) -> Result:
    up = {codec: statistics.mean(run["bytes"]["up"] for run in runs) for codec, runs in found.items()}
    whole = full_model()
    rows = [[codec, *_cells(runs, up[codec], whole)] for codec, runs in found.items()]
    rows += [[codec, "this version has no such compression", "", "", "", ""] for codec in absent]
    return Result(
        title=f"compression ({graft} trained), {rounds} rounds, seeds {', '.join(map(str, seeds))}",
        command=f"python benchmarks/compression.py --graft {graft} --plot docs/performance/compression.png",
        columns=("compression", "kB up", "kB down", "full model is ... times as much", "test AUROC, mean", "sd"),
        rows=rows,
        notes=(
            "Bytes are of message content per site and round, evaluations too, mean over the seeds.",
            f"The full model, {whole / 1e6:.2f} MB, is every tensor of the network as it would travel each round.",
        ),
        bars={"kB up, per site and round": {f"ours: {codec}": value / 1e3 for codec, value in up.items()}},
        unit="kB",
        raw=found,
    )


def full_model() -> int:
    """Bytes of the whole network's tensors in one message."""
    state = build(plan_of(*PLAN, "backbone.pretrained=false"), None).network.state_dict()
    return messages.count_bytes(RecordDict({messages.ARRAYS: messages.pack_tensors(state)}))


def _cells(runs: list[dict[str, Any]], up: float, whole: int) -> list[str]:
    down = statistics.mean(run["bytes"]["down"] for run in runs)
    auroc = [run["test"]["auroc"] for run in runs]
    return [
        *(f"{up / 1e3:,.1f}", f"{down / 1e3:,.1f}", f"{whole / max(up, down):,.0f}"),
        *(f"{statistics.mean(auroc):.4f}", f"{statistics.stdev(auroc):.4f}" if len(auroc) > 1 else ""),
    ]


if __name__ == "__main__":
    main()
