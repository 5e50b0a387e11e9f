"""A site with a million cases whose features are kept: memory and seconds of an exact head, and of a round of FedAvg.

    python benchmarks/kept_rows.py [--cases 1000000] [--width 1568] [--plot FILE]

Drawn features in float16 lie in a file that is mapped into memory (3.1 GB by default); one in fifty cases is ill, two
cases a patient. Each work is a process of its own:

  read once    every row once, to float32, and its product with a matrix of two columns: the floor of one gradient
  exact        the head that minimises the sum over all cases (`strategy=exact`, as the plan has it), at this one site
  fedavg       one epoch of the plan's local training, with the fence that watches on how many patients it rests

Memory is that of the process at its most: its own (anonymous), and pages of files, which the system takes back.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import measure
import numpy as np
from measure import MB, Measured
from numpy.typing import NDArray
from report import Result, publish
from rich.progress import track

ILL = 50
_PART = 8192


def main() -> None:
    parser = measure.parser(__doc__ or "", repeat=None)
    parser.add_argument("--cases", type=int, default=1_000_000, help="(1000000)")
    parser.add_argument("--width", type=int, default=1568, help="features of a case (1568)")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        work, file, out = given.work
        Path(out).write_text(json.dumps(WORKS[work](Path(file), given.cases, given.width)), encoding="utf-8")
        return
    found: dict[str, tuple[Measured, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        file, out = Path(scratch) / "features.bin", Path(scratch) / "found.json"
        _write(file, given.cases, given.width)
        for work in track(WORKS, "measuring"):
            size = ("--cases", str(given.cases), "--width", str(given.width))
            whole = measure.run([sys.executable, __file__, *size, "--work", work, str(file), str(out)])
            found[work] = whole, json.loads(out.read_text(encoding="utf-8"))
    publish(result(found, given.cases, given.width), given.plot)


def labels_of(cases: int) -> NDArray[np.int64]:
    return (np.arange(cases) % ILL == 0).astype(np.int64)


def _write(file: Path, cases: int, width: int) -> None:
    """Normal numbers; those of the ill are moved along a direction."""
    drawn = np.random.default_rng(0)
    ill, way = labels_of(cases), drawn.standard_normal(width).astype(np.float32) * 0.05
    with file.open("wb") as stream:
        for start in range(0, cases, _PART):
            some = ill[start : start + _PART]
            rows = drawn.standard_normal((len(some), width), dtype=np.float32) + some[:, None] * way
            stream.write(rows.astype(np.float16).tobytes())


def read_once(file: Path, cases: int, width: int) -> dict[str, Any]:
    rows = np.memmap(file, np.float16, "r", shape=(cases, width))
    matrix, start = np.ones((width, 2), np.float32), time.perf_counter()
    for begin in range(0, cases, _PART):
        rows[begin : begin + _PART].astype(np.float32) @ matrix
    return {"seconds": time.perf_counter() - start, "times": 1}


def exact(file: Path, cases: int, width: int) -> dict[str, Any]:
    import torch
    from plans import plan_of

    from fedgraft.client.training.full_batch import full_batch, widened
    from fedgraft.common.exact.suitability import path_of
    from fedgraft.common.losses.cross_entropy import CrossEntropy
    from fedgraft.common.plan.types import OURS
    from fedgraft.common.wire.messages import specs_of
    from fedgraft.server.exact.fit import Sums, fit
    from fedgraft.server.exact.layout import Layout

    path = path_of(plan_of("data=phantom", "strategy=exact"), OURS)
    assert path is not None
    head, loss = head_of(width), widened(CrossEntropy(None))
    start, asked = time.perf_counter(), [0]
    batch = full_batch(head, examples_of(file, cases, width), torch.device("cpu"), getattr(torch, path.precision))

    def ask(weights: dict[str, Any]) -> Sums:
        asked[0] += 1
        told = batch.summed_loss(weights, loss)
        return Sums(told.loss, told.gradient, cases)

    first = {name: tensor.detach().double() for name, tensor in head.named_parameters()}
    fit(ask, Layout(specs_of(first)), first, path.strongest, path)
    return {"seconds": time.perf_counter() - start, "times": asked[0]}


def fedavg(file: Path, cases: int, width: int) -> dict[str, Any]:
    import torch
    from plans import plan_of

    from fedgraft.client.fence.patients import Patients
    from fedgraft.client.fence.taken_out import times_of
    from fedgraft.client.fence.units import UnitWatch
    from fedgraft.client.training.loop import LocalTraining, count_steps, train_locally
    from fedgraft.common.losses.cross_entropy import CrossEntropy

    train = replace(plan_of("data=phantom").train, epochs=1)
    examples, start = examples_of(file, cases, width), time.perf_counter()

    @cache
    def lengths() -> torch.Tensor:
        parts = torch.arange(cases).split(_PART)
        return torch.cat([torch.linalg.vector_norm(examples.batch(part), dim=1) for part in parts])

    steps = count_steps(cases, train)
    watch = UnitWatch(Patients([f"{case // 2}" for case in range(cases)]), lengths, times_of(train, steps))
    generator = torch.Generator().manual_seed(0)
    task = LocalTraining(examples, CrossEntropy(None), train, train.lr, generator, watch=watch)
    train_locally(head_of(width), task, torch.device("cpu"))
    return {"seconds": time.perf_counter() - start, "times": steps}


def examples_of(file: Path, cases: int, width: int) -> Any:
    import torch

    from fedgraft.client.features.examples import Examples

    rows = torch.from_file(str(file), shared=True, size=cases * width, dtype=torch.float16).view(cases, width)
    return Examples(rows, torch.from_numpy(labels_of(cases)))


def head_of(width: int) -> Any:
    from fedgraft.common.heads.heads import Linear

    return Linear(width, 2, normalise=False)


WORKS: dict[str, Callable[[Path, int, int], dict[str, Any]]] = {
    "read once": read_once,
    "exact": exact,
    "fedavg": fedavg,
}


def result(found: dict[str, tuple[Measured, dict[str, Any]]], cases: int, width: int) -> Result:
    floor = found["read once"][1]["seconds"]
    rows = []
    for work, (whole, said) in found.items():
        each = said["seconds"] / said["times"]
        passes = said["seconds"] / floor / (said["times"] if work == "exact" else 1)
        rows.append(
            [
                *(work, f"{said['times']:,}", f"{said['seconds']:.1f}", f"{1e3 * each:,.2f}", f"{passes:.1f}"),
                *(f"{whole.anonymous / MB:,.0f}", f"{whole.file_backed / MB:,.0f}"),
            ]
        )
    return Result(
        title=f"{cases:,} cases of {width:,} kept numbers in float16",
        command="python benchmarks/kept_rows.py --plot docs/performance/kept_rows.png",
        columns=(
            *("work", "gradients or steps", "seconds", "ms each", "times one reading, a pass"),
            *("anonymous MB", "file-backed MB"),
        ),
        rows=rows,
        notes=("A pass: of `exact` one gradient over all cases, of `fedavg` the epoch.",),
        bars={"anonymous MB": {work: whole.anonymous / MB for work, (whole, _) in found.items()}},
        unit="MB",
        raw={work: {**said, **asdict(whole)} for work, (whole, said) in found.items()},
    )


if __name__ == "__main__":
    main()
