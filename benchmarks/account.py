"""What the account of a site's answers costs: a round of a simulation with it and without, and one question of a site.

python benchmarks/account.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from plans import plan_of

from fedgraft.client.account.secret import Secret
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.enrolled import TRAINING, Enrolled
from fedgraft.client.cohort.enrolment.roll import Roll
from fedgraft.client.site.site_file import Fractions
from fedgraft.common import tasks

CASES, TIMES = 10_000, 50


def main() -> None:
    cases = tuple(Case(f"/films/{n}.dcm", "ab"[n % 5 == 0], f"patient-{n // 2}") for n in range(CASES))
    task = tasks.of(plan_of().data)
    with tempfile.TemporaryDirectory(prefix="fedgraft-account-") as folder:
        for what, file in (("in a simulation", None), ("on disk", Path(folder) / "releases.db")):
            roll = Roll(Secret("0" * 64), Fractions(), 5, file)
            start = time.perf_counter()
            enrolled = Enrolled(roll, cases)
            parts = enrolled.taking_part(roll.parts(cases, task))
            opened = time.perf_counter() - start
            print(f"{what}, {CASES:,} cases: parts and snapshot {1e3 * opened:.0f} ms", end="; ")
            for name in ("first", "again"):
                seconds = []
                for quantity in [f"update {k}" for k in range(3)] if name == "first" else ["update 0"] * TIMES:
                    start = time.perf_counter()
                    assert enrolled.may(TRAINING, quantity, parts["train"])
                    seconds.append(time.perf_counter() - start)
                print(f"asked {name} {1e3 * statistics.median(seconds):.4f} ms", end="; ")
            start = time.perf_counter()
            fresh = Enrolled(roll, cases)
            numbered = fresh.numbers(parts["train"])
            read = time.perf_counter() - start
            start = time.perf_counter()
            assert len(numbered) and fresh.may(TRAINING, "update 0", tuple(parts["train"]))
            print(f"a new message: {1e3 * read:.0f} ms to name its cases, {1e3 * (time.perf_counter() - start):.2f} ms")


if __name__ == "__main__":
    main()
