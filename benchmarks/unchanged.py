"""What a refactoring must not change: the tensors and figures of small plans, recorded before and after.

    FEDGRAFT_DATA=... python benchmarks/unchanged.py write OUT_DIR [--only NAME ...]
    python benchmarks/unchanged.py write OTHER_DIR --with bounds=none
    python benchmarks/unchanged.py compare BEFORE.json AFTER.json
    python benchmarks/unchanged.py list

``write`` runs each plan of ``unchanged_plans.py`` as a process of its own, on one thread, with a cache of its own, two
at a time, and keeps in ``OUT_DIR/record.json`` a digest of every tensor (the shared ones, and what each site keeps for
itself) and every figure (of summaries, rounds, studies, and of what the sites wrote down as released). Times, bytes and
the plan's digest are left out. Plans that are in the record already are skipped. ``compare`` exits with 1 if any
differs. Bits are the same on one CPU and with one version of torch only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from measure import FEDGRAFT, QUIET
from unchanged_plans import COMMON, PLANS

from fedgraft.common import tensors
from fedgraft.common.errors import FedGraftError

RENAMED = {"initial=analytic": "initial=ridge"}
"""Words of a plan, and what they are called later."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SKIPPED = {
    *("seconds", "per_round", "bytes", "bytes_up", "bytes_down", "plan_digest", "columns", "time", "run", "plan"),
    *("chain", "case_seconds", "backbone_bytes", "share", "prepare", "download", "upload", "total"),
    *("updates", "bounds"),  # what a later version tells besides
}
"""Keys whose values are times, sizes, digests or words."""
LOCAL = re.compile(r"[0-9a-f]{16}-\d+")
AT_ONCE = 2
SHOWN = 4

Names = dict[str, Any]
Entry = dict[str, Names]


class FailedError(Exception):
    """A plan did not run; the text is the end of what it said."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    write_ = commands.add_parser("write", help="run the plans that the record lacks")
    write_.add_argument("out", type=Path, metavar="OUT_DIR")
    write_.add_argument("--only", nargs="+", choices=PLANS, default=list(PLANS), metavar="NAME")
    write_.add_argument("--with", dest="more", nargs="+", default=[], metavar="WORD", help="added to each plan")
    write_.add_argument("--at-once", type=int, default=AT_ONCE, metavar="N")
    compare_ = commands.add_parser("compare", help="two records")
    compare_.add_argument("before", type=Path)
    compare_.add_argument("after", type=Path)
    commands.add_parser("list", help="the plans")
    options = parser.parse_args()
    if options.command == "write":
        return write(options.out.resolve(), options.only, options.more, options.at_once)
    if options.command == "compare":
        return compare(_read(options.before), _read(options.after))
    for name, words in PLANS.items():
        print(f"{name}: {' '.join(words)}")
    return 0


def write(out: Path, names: Sequence[str], more: Sequence[str] = (), at_once: int = AT_ONCE) -> int:
    """Run plans, with some words more, and record them one by one; says which failed, and why."""
    out.mkdir(parents=True, exist_ok=True)
    _write_class_embeddings(out / "classes.safetensors")
    print(f"code: {Path(tensors.__file__).resolve().parent}", flush=True)
    record = _read(out / "record.json") if (out / "record.json").is_file() else {}
    failed = 0
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(run, name, out, more): name for name in names if name not in record}
        for done in as_completed(running):
            name = running[done]
            try:
                record[name] = done.result()
            except (FailedError, FedGraftError) as error:
                failed += 1
                print(f"{name}: failed\n{error}", flush=True)
                continue
            _replace(out / "record.json", record)
            print(f"{name}: {len(record[name]['tensors'])} tensors, {len(record[name]['figures'])} figures", flush=True)
    return 1 if failed else 0


def run(name: str, out: Path, more: Sequence[str] = ()) -> Entry:
    """One plan as a whole process, and what it left.

    Raises:
        FailedError: it did not end well, also with words that are called otherwise now.
    """
    folder, words = out / name, [word.replace("@out", str(out)) for word in (*PLANS[name], *more)]
    code, said = _simulate(folder, words)
    for old, new in RENAMED.items():
        if code != 0 and f"Could not find '{old.replace('=', '/')}'" in said:
            code, said = _simulate(folder, [new if word == old else word for word in words])
    if code != 0:
        raise FailedError(said[-2000:])
    return {"tensors": dict(sorted(_tensors(folder))), "figures": dict(sorted(_figures(folder)))}


def _simulate(folder: Path, words: Sequence[str]) -> tuple[int, str]:
    """The exit code, and what was said. A plan's own word wins over what all have in common; the cache is its own too,
    so that nothing is read that other code computed."""
    shutil.rmtree(folder, ignore_errors=True)
    cache = folder.with_name(f"{folder.name}.cache")
    environment = {**os.environ, **QUIET, **dict.fromkeys(THREADS, "1"), "FEDGRAFT_CACHE": str(cache)}
    command = [*FEDGRAFT, "simulate", *COMMON, *words, f"hydra.run.dir='{folder}'"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    return done.returncode, done.stdout + done.stderr


def _tensors(folder: Path) -> Iterator[tuple[str, str]]:
    """``file: tensor`` and its digest, for the shared and frozen tensors of each run and what each site keeps."""
    shared = (path for stem in ("model", "shared") for path in folder.rglob(f"{stem}.safetensors"))
    for path in (*shared, *folder.rglob("sites/*/state/local/*.safetensors")):
        file = LOCAL.sub("local", str(path.relative_to(folder)))
        for name, tensor in tensors.load(path).items():
            yield f"{file}: {name}", tensors.digest({name: tensor})


def _figures(folder: Path) -> Iterator[tuple[str, Any]]:
    """``file: dotted.name`` and its value, for each figure of each run, of a study, and of what sites released."""
    for kind in ("summary.json", "study.json", "rounds.jsonl", "released.jsonl"):
        for path in folder.rglob(kind):
            text = path.read_text(encoding="utf-8")
            held = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
            for name, value in _flat(held):
                yield f"{path.relative_to(folder)}: {name}", value


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of JSON by dotted name. An empty list or object is a leaf."""
    if not isinstance(value, dict | list) or not value:
        yield name, value
        return
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if key not in SKIPPED and not str(key).endswith("_seconds"):
            yield from _flat(one, f"{name}.{key}" if name else str(key))


def compare(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> int:
    """Print a line for each plan; 1 if any differs, or is in one record only."""
    differ = 0
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after:
            found = [f"only in {'BEFORE' if name in before else 'AFTER'}"]
        else:
            found = [line for kind in before[name] for line in _differences(before[name][kind], after[name][kind])]
        differ += bool(found)
        print(f"{name}: differs: {_some(found)}" if found else f"{name}: same")
    print(f"{differ} of {len({*before, *after})} plans differ" if differ else f"all {len(before)} plans are the same")
    return 1 if differ else 0


def _differences(before: Names, after: Names) -> list[str]:
    """The names whose values differ, a figure with both."""
    found = []
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after:
            found.append(f"{name} (only {'before' if name in before else 'after'})")
        elif (was := json.dumps(before[name])) != (now := json.dumps(after[name])):  # a NaN equals itself as text
            found.append(name if len(was) > 40 else f"{name} ({was} -> {now})")
    return found


def _some(found: Sequence[str]) -> str:
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def _write_class_embeddings(path: Path) -> None:
    """What ``fedgraft embed-classes`` would write for the phantom and the small backbone, with made numbers."""
    wave = torch.arange(2 * 8 + 8 * 256, dtype=torch.float32).sin()
    held = {"embeddings": wave[:16].view(2, 8), "projection": wave[16:].view(8, 256), "scale": torch.tensor(10.0)}
    tensors.save(path, held, {"classes": json.dumps(["clear", "lesion"])})


def _read(path: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _replace(path: Path, record: Mapping[str, Entry]) -> None:
    """Write the record; whoever is cut off leaves the old one, whole."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
