"""What many rounds leave on the disks of a coordinator and a hospital: SuperLink's database, ledger, logs.

    python benchmarks/disk.py [--rounds 1000] [--every 100]

A real federation over TLS with four hospitals of a table and a head; the sizes are read while it runs. The database
holds messages until they were fetched; its size is that of the file, with what SQLite has freed in it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from loopback import Federation, federation

WORDS = ("data=uci_heart", "patience.quorum_sites=1", "decide.unseen=null", "engine.threads=1")
MEGA = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100, help="rounds between two lines (100)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fedgraft-disk-") as folder:
        found = federation(Path(folder), (*WORDS, f"rounds={given.rounds}"))
        try:
            found.begin(Path(folder) / "run")
            print("| round | SuperLink's database | run's folder | a hospital's logs | its state folder |")
            print("|---:|---:|---:|---:|---:|")
            told = 0
            while not found.ended():
                if rounds(found) >= told + given.every:
                    told = rounds(found)
                    line(found, told)
                time.sleep(1)
            line(found, rounds(found))
        finally:
            found.stop()


def rounds(found: Federation) -> int:
    ledger = found.out / "ledger.jsonl"
    if not ledger.is_file():
        return 0
    lines = [json.loads(one) for one in ledger.read_text(encoding="utf-8").splitlines() if one.startswith("{")]
    return max((one.get("round", 0) for one in lines if "site" in one), default=0)


def line(found: Federation, number: int) -> None:
    database = sum(path.stat().st_size for path in found.folder.link.glob("state.db*"))
    logs, state = 0.0, 0.0
    for site in found.hospitals:
        files = [path for path in found.state(site).rglob("*") if path.is_file()]
        state = max(state, sum(path.stat().st_size for path in files))
        logs = max(logs, sum(path.stat().st_size for path in files if ".jsonl" in path.name))
    run = sum(path.stat().st_size for path in found.out.rglob("*") if path.is_file())
    sizes = (database, run, logs, state)
    print(f"| {number} | " + " | ".join(f"{size / MEGA:.2f} MB" for size in sizes) + " |", flush=True)


if __name__ == "__main__":
    main()
