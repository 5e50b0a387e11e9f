"""Kill what answers a message in a secure sum, over TLS, and see that its round ends, and on whom it rests.

    python benchmarks/secure_drills.py [--kills 8] [--seed 0]

Four hospitals in secure sums on loopback. While a run goes on, the process that answers a message is killed
(SIGKILL), at a random moment of messages that ask for keys and shares, for an update, or for shares of lost ones. The
ledger then says for which message it was asked again, and whether the hospital had a part in the sum or was lost.
Each round must end, over all hospitals or over all but those named. The exit code is 1 if a run did not end, or if a
hospital that was lost is not named.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from loopback import Federation, federation, wait

from fedgraft.server.deployment.open_runs import is_complete, why_ended

STUCK_SECONDS = 600.0
WORDS = ("data=phantom", "data.sites=4", "data.cases=60", "data.image_size=32", "rounds=8", "aggregation=secure")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = federation(Path(folder), (*WORDS, "decide.unseen=null", "patience.quorum_sites=3"))
        try:
            where.begin(Path(folder) / "run")
            killed = disturb(where, random.Random(given.seed), given.kills)
            if not wait(where.ended, STUCK_SECONDS):
                print(f"WRONG: the run did not end\n{where.coordinator.said()[-3000:]}")
                return 1
            return told(where, killed)
        finally:
            where.stop()


def disturb(where: Federation, chance: random.Random, times: int) -> int:
    """Kill the process of a hospital's message, at most so many times; returns how often."""
    killed, last = 0, None
    while killed < times and not where.ended():
        site = chance.choice(sorted(where.hospitals))
        pid = where.process(site, "message")
        if pid is None or pid == last:
            time.sleep(0.02)
            continue
        time.sleep(chance.uniform(0, 0.6))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed, last = killed + 1, pid
        print(f"killed a message of {site}", file=sys.stderr)
        time.sleep(chance.uniform(1, 8))
    return killed


def told(where: Federation, killed: int) -> int:
    """Print what the ledger says; 1 if something is missing in it."""
    lines = [json.loads(line) for line in (where.out / "ledger.jsonl").read_text().splitlines()]
    again = Counter(line["reason"].partition(":")[0] for line in lines if line["what"] == "again")
    lost = Counter(
        (line["what"], line["outcome"]) for line in lines if line["what"] != "again" and line["outcome"] != "ok"
    )
    print(f"{killed} message(s) killed; asked again by what was asked: {dict(again)}; not used: {dict(lost)}")
    rounds = [json.loads(line) for line in (where.out / "rounds.jsonl").read_text().splitlines()][1:]
    for line in rounds:
        print(f"round {line['round']}: {', '.join(line['updated'])}; training loss {line['train_loss']:.4f}")
    named = {(line["round"], line["site"]) for line in lines if line["what"] == "train" and line["outcome"] != "ok"}
    missing = {(line["round"], site) for line in rounds for site in set(where.hospitals) - set(line["updated"])}
    if not is_complete(where.out) or not missing <= named:
        print(f"WRONG: {why_ended(where.out)}; lost and not named: {sorted(missing - named)}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
