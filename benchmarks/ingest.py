"""Taking DICOM files in, against pydicom alone.

    python benchmarks/ingest.py [--films 40] [--size 1024] [--repeat 3] [--plot FILE]

Phantom chest films of 12 bits, each in five transfer syntaxes. Contestants, each a process of its own whose clock runs
from the first file to the last (imports are not counted; every file is in the page cache):

  bare pydicom   pydicom.dcmread(file).pixel_array in one process; for JPEG 2000, GDCM starts a thread for each CPU
  bare, one CPU  the same, bound to a single CPU
  ours, 1        ingest with one decoding process: limits, checks, LUTs to float32, resizing to 224 px, digests, and
                 everything kept on disk
  ours, 2        the same with two
  second start   the same cases again: facts and pixels are found, no file is opened
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import measure
from films import SYNTAXES, write_films
from report import Result, publish
from rich.progress import track

CONTESTANTS = ("bare pydicom", "bare, one CPU", "ours, 1", "ours, 2", "second start")
ALL = "all together"


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--films", type=int, default=40, help="in each transfer syntax (40)")
    parser.add_argument("--size", type=int, default=1024, help="rows and columns (1024)")
    parser.add_argument("--child", nargs=3, metavar=("CONTESTANT", "FILES", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        contestant, files, store = options.child
        print(*timed(contestant, json.loads(Path(files).read_text()), Path(store)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        written = track(
            write_films(folder, options.films, options.size), "writing films", options.films * len(SYNTAXES)
        )
        sets: dict[str, list[str]] = {name: [] for name in (*SYNTAXES, ALL)}
        for name, file in written:
            sets[name].append(str(file))
            sets[ALL].append(str(file))
            file.read_bytes()
        found = {name: race(folder, files, options.repeat) for name, files in sets.items()}
    publish(result(found, {name: len(files) for name, files in sets.items()}, options), options.plot)


def race(folder: Path, files: Sequence[str], repeat: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each contestant, and of its processors, in turn; the second start follows a first one."""
    (folder / "files.json").write_text(json.dumps(files), encoding="utf-8")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
    for turn in track(range(repeat), f"{len(files)} files"):
        for name in CONTESTANTS:
            store = folder / f"store-{turn}-{1 if name == 'ours, 1' else 2}"
            command = [sys.executable, __file__, "--child", name, str(folder / "files.json"), str(store)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, processor = map(float, done.stdout.split())
            found[name].append((seconds, processor))
    for store in folder.glob("store-*"):
        subprocess.run(["rm", "-rf", str(store)], check=True)
    return found


def timed(contestant: str, files: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds of one contestant over the files, and of its processors."""
    if contestant.startswith("bare"):
        import pydicom

        if contestant == "bare, one CPU":
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

        start, before = time.perf_counter(), processor_seconds()
        for file in files:
            _ = pydicom.dcmread(file).pixel_array
        return time.perf_counter() - start, processor_seconds() - before
    return _ours(files, folder, 1 if contestant == "ours, 1" else 2)


def processor_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _ours(files: Sequence[str], folder: Path, workers: int) -> tuple[float, float]:
    import numpy as np

    import fedgraft.client.images.dicom.read  # noqa: F401 - as pydicom is imported above
    from fedgraft.client.cohort.case import Case
    from fedgraft.client.images.ingest import ImageIngest
    from fedgraft.client.images.reader import Reading
    from fedgraft.client.site.limits import Limits
    from fedgraft.client.site.row_store import Store
    from fedgraft.common.interfaces.inputs import ImageSpec
    from fedgraft.common.plan.data_sections import DicomSection

    cases = [Case(file, "", f"patient-{number}") for number, file in enumerate(files)]
    spec = ImageSpec(3, 224, (0.5,) * 3, (0.5,) * 3, "bicubic")
    reading = Reading(DicomSection("file", 0, "middle", 3, False), Limits())
    start, before = time.perf_counter(), processor_seconds()
    ingest = ImageIngest(reading, spec, Store(folder), workers, True, lambda cases: None)
    bad = np.count_nonzero(ingest.facts(cases)["reason"])
    seconds = time.perf_counter() - start, processor_seconds() - before
    if bad:
        raise SystemExit(f"{bad} films were quarantined")
    return seconds


def result(
    found: dict[str, dict[str, list[tuple[float, float]]]], counts: dict[str, int], options: argparse.Namespace
) -> Result:
    rows, bars = [], {}
    for label, seconds in found.items():
        bare, single, one, two, again = (statistics.median(s for s, _ in seconds[name]) for name in CONTESTANTS)
        used = [statistics.median(p for _, p in seconds[name]) for name in ("bare pydicom", "ours, 1")]
        rate = counts[label] / bare
        ours = (
            f"{bare / one:.2f}",
            f"{used[0] / used[1]:.2f}",
            f"{bare / two:.2f}",
            f"{single / two:.2f}",
            f"{two / again:.0f}",
        )
        rows.append([label, str(counts[label]), f"{rate:.0f}", *ours])
        bars[label] = {"bare pydicom": 1.0, "ours, one process": bare / one, "ours, two processes": bare / two}
    return Result(
        title=f"taking in DICOM films of {options.size} x {options.size}, median of {options.repeat}",
        command=f"python benchmarks/ingest.py --films {options.films} --size {options.size} --repeat {options.repeat} "
        "--plot docs/performance/ingest.png",
        columns=(
            *("transfer syntax", "files", "bare, cases per second", "ours, one process, times bare"),
            "the same, by processor time",
            *("ours, two, times bare", "ours, two, times bare on one CPU", "second start, times the first with two"),
        ),
        rows=rows,
        notes=(
            "Bare pydicom only decodes; ours also checks, maps to float32, resizes, digests and keeps every film.",
            "Of JPEG 2000, bare pydicom's process uses all CPUs (GDCM's own threads): two processes can't double that.",
        ),
        bars=bars,
        unit="cases per second, times bare pydicom",
        raw=found,
    )


if __name__ == "__main__":
    main()
