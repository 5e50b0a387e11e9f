"""A manifest of many lines: read, checked and split, before any file is opened.

    python benchmarks/cohort_size.py [--lines 1000000] [--plot FILE]

Two lines a patient, two classes, five columns. Processor seconds of one process, and its memory at its peak:

  read      every line to a case: columns, quotes, paths, patients
  check     labels by the plan's task
  split     patients to training, validation and test, stratified
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
from report import Result, publish


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the manifest (1000000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(scratch) / "manifest.csv"
        _write(manifest, options.lines)
        found = timed(manifest)
    publish(result(found, options.lines), options.plot)


def _write(manifest: Path, lines: int) -> None:
    with manifest.open("w", encoding="utf-8") as stream:
        stream.write("path,label,patient,sex,age\n")
        for number in range(lines):
            label, folder = "lesion" if number % 3 == 0 else "clear", number // 1000
            stream.write(
                f"{folder:04d}/{number:07d}.dcm,{label},P{number // 2},{'FM'[number % 2]},{20 + number % 60}\n"
            )


def timed(manifest: Path) -> dict[str, float]:
    """Processor seconds of each step, and MB."""
    from plans import plan_of

    from fedgraft.client.cohort.enrolment.roll import roll_of_plan
    from fedgraft.client.cohort.manifest.manifest import read_manifest
    from fedgraft.common import tasks

    plan, found = plan_of("data=phantom"), {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        done = work()
        found[name] = time.process_time() - start
        return done

    cases = step("read", lambda: read_manifest(manifest))
    task = tasks.of(plan.data)
    step("check", lambda: task.targets(cases))
    parts = step("split", lambda: roll_of_plan(plan).parts(cases, task))
    assert sum(map(len, parts.values())) == len(cases)
    found["MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return found


def result(found: dict[str, float], lines: int) -> Result:
    memory = found.pop("MB")
    return Result(
        title=f"a manifest of {lines:,} lines",
        command="python benchmarks/cohort_size.py --plot docs/performance/cohort_size.png",
        columns=("step", "processor seconds", "microseconds a line"),
        rows=[[name, f"{seconds:.1f}", f"{seconds / lines * 1e6:.1f}"] for name, seconds in found.items()],
        notes=(f"In all {sum(found.values()):.1f} s; the process had {memory:,.0f} MB at its peak, torch among them.",),
        bars={"all lines": found},
        unit="processor seconds",
        raw={**found, "MB": memory},
    )


if __name__ == "__main__":
    main()
