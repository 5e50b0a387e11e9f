"""What the account of a site's answers costs: its share of a round of the reference work, and what a site waits for it.

FEDGRAFT_DATA=... python benchmarks/account.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from plans import plan_of
from reference import PLAN
from rich.console import Console

from fedgraft.client.account.secret import Secret
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.enrolled import TRAINING, Enrolled
from fedgraft.client.cohort.enrolment.roll import Roll
from fedgraft.client.site.site_file import Fractions
from fedgraft.common import tasks
from fedgraft.simulations.engine.run import simulate

CASES, TIMES, ROUNDS = 10_000, 50, 20


def main() -> None:
    print(f"the reference work, {ROUNDS} rounds: {100 * share_of_a_round():.2f} % of the run, its features kept before")
    with tempfile.TemporaryDirectory(prefix="fedgraft-account-") as folder:
        at_a_site("in a simulation", None)
        at_a_site("on disk", Path(folder) / "releases.db")


def share_of_a_round() -> float:
    """The time in the account over that of a run whose features were kept before."""
    spent = [0.0]

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def go(*given: Any, **named: Any) -> Any:
            took, found = _timed(lambda: work(*given, **named))
            spent[0] += took / 1e3
            return found

        return go

    for name in ("may", "taking_part"):
        setattr(Enrolled, name, timed(getattr(Enrolled, name)))
    with tempfile.TemporaryDirectory(prefix="fedgraft-account-") as folder:
        simulate(plan_of(*PLAN, "rounds=1"), Path(folder) / "filled", Console(file=StringIO()))
        spent[0] = 0.0
        took, _ = _timed(
            lambda: simulate(plan_of(*PLAN, f"rounds={ROUNDS}"), Path(folder) / "run", Console(file=StringIO()))
        )
    return spent[0] / (took / 1e3)


def at_a_site(what: str, file: Path | None) -> None:
    """How long a site of `CASES` cases takes."""
    cases = tuple(Case(f"/films/{n}.dcm", "ab"[n % 5 == 0], f"patient-{n // 2}") for n in range(CASES))
    roll, task = Roll(Secret("0" * 64), Fractions(), 5, file), tasks.of(plan_of().data)
    first, parts = _timed(lambda: Enrolled(roll, cases).taking_part(roll.parts(cases, task)))
    enrolled = Enrolled(roll, cases)
    opened, parts = _timed(lambda: enrolled.taking_part(roll.parts(cases, task)))
    asked, _ = _timed(lambda: enrolled.require(TRAINING, "update", parts["train"]))
    again = statistics.median(
        _timed(lambda: enrolled.require(TRAINING, "update", parts["train"]))[0] for _ in range(TIMES)
    )
    later = Enrolled(roll, cases)
    later.taking_part(roll.parts(cases, task))
    message, _ = _timed(lambda: later.require(TRAINING, "update", parts["train"]))
    print(
        f"{what}, {CASES:,} cases: parts and snapshot {first:.0f} ms the first time, {opened:.0f} ms in each later "
        f"message; a set asked first {asked:.2f} ms, again {again:.4f} ms, by another message {message:.2f} ms"
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return 1e3 * (time.perf_counter() - start), found


if __name__ == "__main__":
    main()
