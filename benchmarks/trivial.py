"""Overhead per round: ten sites whose training does nothing and that give back the arrays they got.

    python benchmarks/trivial.py [--rounds 50] [--repeat 3] [--peers PYTHON] [--plot FILE]

Two sizes: head (2 x 1280 + 2 float32) and full (the 245 float32 tensors of tf_efficientnet_lite0, 13.7 MB). What is
left is packing, checking, aggregation and bookkeeping. The time of a round is the slope over a run's rounds, without
the first two.

  ours                 fedgraft.server.rounds.loop over the in-process grid; the sites read and write as FedGraft's do
  Flower's loop        strategy.start over the same grid; the sites decode and encode the arrays, and nothing is checked
  Flower's Ray         the same app on Flower's Ray simulation
  pfl                  trivial_pfl.py, by the interpreter that --peers names: one process, nothing is packed
  bare arithmetic      a weighted mean in place, in numpy
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

import measure
from measure import HERE, AbsentError
from report import Result, publish
from trivial_arrays import named_arrays

KINDS = ("head", "full")
CONTESTANTS = {"ours": "ours", "Flower's loop": "flower", "Flower's Ray": "ray", "pfl": "", "bare arithmetic": "bare"}
Times = dict[tuple[str, str], list[float] | str]


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument(
        "--rounds", type=int, default=50, help="of a run with head-sized arrays; a fifth of it with full"
    )
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with pfl, torch and timm")
    parser.add_argument(
        "--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="some contestants only"
    )
    options = parser.parse_args()
    found: Times = {(name, kind): [] for kind in KINDS for name in options.only}
    for _ in range(options.repeat):
        for (name, kind), times in found.items():
            if isinstance(times, str):
                continue
            try:
                times.append(
                    _seconds(name, kind, max(6, options.rounds // (5 if kind == "full" else 1)), options.peers)
                )
            except AbsentError as absent:
                found[name, kind] = str(absent)
    publish(result(found, options.repeat), options.plot)


def _seconds(name: str, kind: str, rounds: int, peers: str | None) -> float:
    """Seconds per round, measured in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        out = str(Path(scratch) / "seconds.json")
        if name == "pfl":
            command = [measure.require(peers, "pfl"), str(HERE / "trivial_pfl.py"), kind, str(rounds), out]
        else:
            command = [sys.executable, str(HERE / "trivial_loop.py"), CONTESTANTS[name], kind, str(rounds), out]
        measure.run(command)
        seconds: float = json.loads(Path(out).read_text(encoding="utf-8"))
    return seconds


def result(found: Times, repeat: int) -> Result:
    medians = {key: statistics.median(times) for key, times in found.items() if not isinstance(times, str)}
    rows = []
    for (name, kind), times in found.items():
        if isinstance(times, str):
            rows.append([name, kind, times, "", ""])
            continue
        ours = medians.get(("ours", kind))
        spread = f"{min(times) * 1e3:.3g}-{max(times) * 1e3:.3g}"
        value = medians[name, kind]
        rows.append([name, kind, f"{value * 1e3:.3g}", spread, "" if ours is None else f"{value / ours:.2f}"])
    return Result(
        title=f"trivial sites, milliseconds per round of ten sites, median of {repeat}",
        command="python benchmarks/trivial.py --peers PYTHON --plot docs/performance/trivial.png",
        columns=("contestant", "arrays", "ms per round", "least-most", "times ours"),
        rows=rows,
        notes=[_size(kind) for kind in KINDS],
        bars=_bars(medians),
        unit="milliseconds per round",
        raw={f"{name}, {kind}": times for (name, kind), times in found.items()},
    )


def _bars(medians: dict[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    def of(kind: str) -> dict[str, float]:
        return {name: seconds * 1e3 for (name, k), seconds in medians.items() if k == kind}

    return {f"{kind} arrays": of(kind) for kind in KINDS}


def _size(kind: str) -> str:
    arrays = named_arrays(kind)
    return f"{kind}: {len(arrays)} tensors, {sum(t.nbytes for t in arrays.values()) / 1e6:.3g} MB."


if __name__ == "__main__":
    main()
