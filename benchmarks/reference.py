"""The reference work: ours against bare PyTorch loops and against other frameworks, whole processes.

    FEDGRAFT_DATA=... python benchmarks/reference.py [--rounds 5 20] [--repeat 3] [--peers PYTHON] [--plot FILE]

Ten sites (Dirichlet 0.5) of PneumoniaMNIST at 64 px, frozen tf_efficientnet_lite0, weighted cross-entropy, SGD
0.05 with momentum 0.9, batch 32, one local epoch, evaluation on the server each round. Whole processes from start to
exit; the ratios are of medians within this run, on this machine.

  ours, cold / warm         fedgraft simulate with an empty / a filled store of kept features
  ours, cold, folded        without the extra `fast` (engine.runtime=folded); eager: the reference
  ours on Ray               the same with engine=ray, filled store
  bare, features kept       a PyTorch loop without any framework, features computed once: the floor
  bare, whole network       the same loop, the frozen backbone runs for every batch
  Flower's Ray              plain_flower.py: a Flower app as a user writes it
  pfl, NVFLARE              plain_pfl.py, plain_nvflare.py, run by the interpreter that --peers names:
                            python -m venv peers; peers/bin/pip install pfl nvflare torch timm

All plain contestants have the same splits, order of cases, loss and initial head; the last column of the table says how
far the test AUROC is from the bare loop's, at most, over the rounds.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import handout
import measure
from frozen import Timed, timed
from measure import FEDGRAFT, HERE, Contestant, Measured, median
from report import Result, publish

PLAN = (
    *("data=pneumoniamnist", "data.image_size=64", "data.val_fraction=0.15", "seed=0"),
    *("partition=dirichlet", "partition.alpha=0.5", "partition.sites=10"),
    *("train.lr=0.05", "train.momentum=0.9", "train.batch_size=32", "train.epochs=1", "train.schedule=constant"),
    *("head.normalise=false", "loss.weights=local"),
    "bounds=none",  # by default the hospital with one normal film of 1,122 is refused, which the others do not do
)
OURS, WARM, KEPT, WHOLE, FLOWER, IMPORTS = (
    *("ours, cold", "ours, warm", "bare, features kept", "bare, whole network", "Flower's Ray", "import torch, timm"),
)
ONCE = ("pfl", "NVFLARE")  # minutes each, and nothing that we promise is measured against them


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, nargs="+", default=[5, 20], help="one table row each (5 20)")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with pfl, nvflare, torch and timm")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contestants whose name contains one of these words")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = Work(Path(scratch), options.peers)
        found = {
            rounds: measure.race(_some(work.contestants(rounds), options.only), options.repeat, ONCE)
            for rounds in options.rounds
        }
        gaps = {rounds: {name: work.gap(name, rounds) for name in found[rounds]} for rounds in options.rounds}
        peers = [] if options.peers is None else [measure.versions(options.peers, ("pfl", "nvflare", "torch", "timm"))]
    frozen = timed("last", 64, 1, options.repeat)
    publish(result(found, gaps, options.repeat, peers, frozen), options.plot)


def _some(contestants: dict[str, Contestant], words: Sequence[str] | None) -> dict[str, Contestant]:
    return {n: c for n, c in contestants.items() if words is None or any(word in n for word in words)}


class Work:
    """The contestants' commands, and where each leaves its AUROC by round."""

    def __init__(self, scratch: Path, peers: str | None) -> None:
        self.scratch, self.peers = scratch, peers
        measure.run(self._ours("setup", 1), self._store("warm"))
        handout.write(scratch / "setup" / "sites", scratch / "handout", val_fraction=0.15, seed=0)

    def contestants(self, rounds: int) -> dict[str, Contestant]:
        return {
            OURS: lambda: self._cold(rounds),
            "ours, cold, folded": lambda: self._cold(rounds, "engine.runtime=folded"),
            "ours, cold, eager": lambda: self._cold(rounds, "engine.runtime=eager"),
            WARM: lambda: measure.run(self._ours(WARM, rounds), self._store("warm")),
            KEPT: lambda: self._plain(KEPT, "bare_loop.py", rounds, "kept"),
            WHOLE: lambda: self._plain(WHOLE, "bare_loop.py", rounds, "whole"),
            FLOWER: lambda: self._plain(FLOWER, "plain_flower.py", rounds),
            "ours on Ray, warm": lambda: measure.run(
                [*self._ours("ours on Ray, warm", rounds), "engine=ray"], self._store("warm")
            ),
            "pfl": lambda: self._plain("pfl", "plain_pfl.py", rounds, python=measure.require(self.peers, "pfl")),
            "NVFLARE": lambda: self._plain(
                "NVFLARE", "plain_nvflare.py", rounds, python=measure.require(self.peers, "nvflare")
            ),
            IMPORTS: lambda: measure.run([sys.executable, "-c", "import torch, timm"]),
        }

    def gap(self, name: str, rounds: int) -> float | None:
        """The largest difference in test AUROC to the bare loop, over the rounds."""
        mine, bare = self._scores(name, rounds), self._scores(KEPT, rounds)
        return None if mine is None or bare is None else max(abs(a - b) for a, b in zip(mine, bare, strict=True))

    def _cold(self, rounds: int, *words: str) -> Measured:
        shutil.rmtree(self.scratch / "cold", ignore_errors=True)
        name = ", ".join([OURS, *(word.rpartition("=")[2] for word in words)])
        return measure.run([*self._ours(name, rounds), *words], self._store("cold"))

    def _ours(self, name: str, rounds: int) -> list[str]:
        out = self.scratch / _file(name, rounds) if name != "setup" else self.scratch / name
        return [*FEDGRAFT, "simulate", *PLAN, f"rounds={rounds}", f"hydra.run.dir='{out}'"]

    def _store(self, name: str) -> dict[str, str]:
        return {"FEDGRAFT_CACHE": str(self.scratch / name)}

    def _plain(self, name: str, script: str, rounds: int, *kept: str, python: str = sys.executable) -> Measured:
        out = self.scratch / f"{_file(name, rounds)}.json"
        return measure.run([python, str(HERE / script), str(self.scratch / "handout"), *kept, str(rounds), str(out)])

    def _scores(self, name: str, rounds: int) -> list[float] | None:
        plain, ours = (self.scratch / f"{_file(name, rounds)}{end}" for end in (".json", "/rounds.jsonl"))
        if plain.is_file():
            scores: list[float] = json.loads(plain.read_text(encoding="utf-8"))
            return scores
        if ours.is_file():
            return [json.loads(line)["test"]["auroc"] for line in ours.read_text(encoding="utf-8").splitlines()][1:]
        return None


def _file(name: str, rounds: int) -> str:
    return f"{''.join(c for c in name if c.isalpha())}{rounds}"


def result(
    found: dict[int, dict[str, list[Measured] | str]],
    gaps: dict[int, dict[str, float | None]],
    repeat: int,
    peers: Sequence[str],
    frozen: dict[str, Timed],
) -> Result:
    rows: list[list[str]] = []
    bars: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    for rounds, contestants in found.items():
        medians = {name: median(times) for name, times in contestants.items() if not isinstance(times, str)}
        bars[f"{rounds} rounds"] = {name: value for name, value in medians.items() if name != IMPORTS}
        for name, times in contestants.items():
            mine = contestants.get(OURS)
            processor = None if mine is None or isinstance(mine, str) else median_processor(mine)
            rows.append(_row(name, rounds, times, (medians.get(OURS), processor), gaps[rounds][name]))
        if WARM in medians and IMPORTS in medians:
            beyond = medians[WARM] - medians[IMPORTS]
            notes.append(f"{rounds} rounds, warm, beyond the import of torch and timm: {beyond:.1f} s.")
    return Result(
        title=f"reference work, whole processes, median of {repeat}",
        command="python benchmarks/reference.py --peers PYTHON --plot docs/performance/reference.png",
        columns=(
            *("contestant", "rounds", "seconds", "least-most", "times ours, cold", "processor seconds"),
            *("times ours, cold, by processor", "anonymous MB", "AUROC off by"),
        ),
        rows=rows,
        notes=(
            *notes,
            "The frozen part, processor milliseconds an image on one thread: "
            + ", ".join(f"{name} {statistics.median(one.milliseconds):.2f}" for name, one in frozen.items())
            + ".",
            *(f"Other frameworks: {text}." for text in peers),
            f"{' and '.join(ONCE)} were measured once.",
            "Anonymous memory is of the process and its children together, at its peak.",
        ),
        bars=bars,
        unit="seconds, whole process",
        raw={
            f"{name}, {rounds} rounds": times if isinstance(times, str) else [asdict(t) for t in times]
            for rounds, contestants in found.items()
            for name, times in contestants.items()
        },
    )


def median_processor(times: Sequence[Measured]) -> float:
    return statistics.median(one.processor for one in times)


def _row(
    name: str,
    rounds: int,
    times: list[Measured] | str,
    ours: tuple[float | None, float | None],
    gap: float | None,
) -> list[str]:
    if isinstance(times, str):
        return [name, str(rounds), times, "", "", "", "", "", ""]
    seconds = sorted(t.seconds for t in times)
    return [
        name,
        str(rounds),
        f"{median(times):.1f}",
        f"{seconds[0]:.1f}-{seconds[-1]:.1f}",
        "" if ours[0] is None else f"{median(times) / ours[0]:.2f}",
        f"{median_processor(times):.1f}",
        "" if not ours[1] else f"{median_processor(times) / ours[1]:.2f}",
        f"{max(t.anonymous for t in times) / measure.MB:.0f}",
        "" if gap is None else f"{gap:.5f}",
    ]


if __name__ == "__main__":
    main()
