"""Kill what answers a message in each phase of a private run over TLS, and read each hospital's account afterwards.

    python benchmarks/private_drills.py [--hospitals 3] [--steps 12]

Three hospitals on loopback, ``privacy=record_evaluated`` in secure sums. In turn one hospital's process is killed
(SIGKILL) while it makes keys, makes shares, computes its numbers before they are charged, has charged them and not
masked them yet, and tells the shares that take masks off. Then each account is compared with the run's ledger: one
charge for the run, as the plan says; one line for each answer that the coordinator got, and for each that it may have
got; none twice for one sum, and no more than the run was charged with. Sums that were lost are told. The exit code is 1
if that is not so, or the run did not end.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopback import Federation, federation, wait

from fedgraft.client.account.privacy import FILE, PrivacyAccount
from fedgraft.common.plan.plan import load_plan
from fedgraft.common.privacy.budget import budget_of
from fedgraft.server.deployment.open_runs import is_complete, why_ended

STUCK_SECONDS = 900.0
WORDS = ("data=phantom", "data.cases=60", "data.image_size=32", "privacy=record_evaluated", "aggregation=secure")
MORE = ("strategy.precision=float64", "patience.quorum_sites=2", "data.test=sites", "data.test_fraction=0.2")
ANSWERS = {"gradient": "gradient", "moments": "moments", "figures": "evaluate"}
"""By kind of line in an account, what the ledger calls the question."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hospitals", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=12, help="(%(default)s)")
    given = parser.parse_args()
    rounds = ("rounds=3", f"privacy.steps={given.steps}", f"data.sites={given.hospitals}")
    with tempfile.TemporaryDirectory() as folder:
        where = federation(Path(folder), (*WORDS, *MORE, *rounds), "secure: {at_least: 2}\n")
        try:
            where.begin(Path(folder) / "run")
            for name, phase in zip(_in_turn(where), PHASES, strict=False):
                print(f"{phase.__name__}: {phase(where, name)} of {name} killed", flush=True)
            if not wait(where.ended, STUCK_SECONDS):
                print(f"WRONG: the run did not end\n{where.coordinator.said()[-3000:]}")
                return 1
            return told(where)
        finally:
            where.stop()


def _in_turn(where: Federation) -> Iterator[str]:
    while True:
        yield from sorted(where.hospitals)


def while_keys_are_made(where: Federation, site: str) -> str:
    """The first message after the offer."""
    _until(lambda: _lines(where.state(site) / "released.jsonl")["offer"] and where.process(site, "message") is None)
    return _kill_next(where, site)


def while_shares_are_made(where: Federation, site: str) -> str:
    """The next one of a site that has made keys, and given no shares away."""
    _until(lambda: _member(where, site).get("fresh"))
    return _kill_next(where, site)


def before_numbers_are_charged(where: Federation, site: str) -> str:
    """The account is held, so that whoever would write into it waits."""
    with _account_held(where, site):
        return _kill(where.process(site, "message"))


def after_numbers_are_charged(where: Federation, site: str) -> str:
    """What was charged is noted in ``released.jsonl`` before it is masked: the process waits there for the file."""
    state = where.state(site)
    before = len(_rows(state / FILE))
    with (state / "released.jsonl").open("ab") as held:
        with _account_held(where, site):
            fcntl.flock(held, fcntl.LOCK_EX)
        _until(lambda: len(_rows(state / FILE)) > before)
        return _kill(where.process(site, "message"))


def while_masks_are_taken_off(where: Federation, site: str) -> str:
    """The next message of a site that has masked its numbers."""
    _until(lambda: _member(where, site).get("masked") and where.process(site, "message") is None)
    return _kill_next(where, site)


def until_a_sum_is_lost(where: Federation, site: str) -> str:
    """Every try of this site and of the next one to take masks off, so that too few stay."""
    names = sorted(where.hospitals)

    def gradients() -> set[str]:
        rows = _rows(where.out / "ledger.jsonl")
        return {line["outcome"] for line in rows if line["what"] == "gradient"}

    both = [site, names[(names.index(site) + 1) % len(names)]]
    _until(lambda: "ok" in gradients())
    _until(lambda: all(_member(where, one).get("masked") for one in both))

    def is_lost() -> bool:
        for one in both:
            _kill(where.process(one, "message"))
        return "secure-few" in gradients()

    _until(is_lost)
    return f"each message until a sum was lost, also of {both[1]}, and"


PHASES: tuple[Callable[[Federation, str], str], ...] = (
    while_keys_are_made,
    while_shares_are_made,
    before_numbers_are_charged,
    after_numbers_are_charged,
    while_masks_are_taken_off,
    until_a_sum_is_lost,
    before_numbers_are_charged,
    after_numbers_are_charged,
    while_masks_are_taken_off,
)


@contextmanager
def _account_held(where: Federation, site: str) -> Iterator[None]:
    """A process of the site waits to write into its account in the meantime."""
    with (where.state(site) / f".{FILE}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _until(lambda: (pid := where.process(site, "message")) is not None and _waits_for_a_lock(pid))
        yield


def _kill_next(where: Federation, site: str) -> str:
    """Kill the process of the site's next message."""
    seen: list[int] = []
    _until(lambda: seen or seen.extend(filter(None, [where.process(site, "message")])))
    return _kill(seen[0])


def _kill(pid: int | None) -> str:
    if pid is None:
        return "nothing"
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return "nothing (it had just ended)"
    return "a message"


def _waits_for_a_lock(pid: int) -> bool:
    locks = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    return any("->" in line and f" {pid} " in line for line in locks)


def _member(where: Federation, site: str) -> Any:
    """What a site remembers of its secure sums; nothing before the first."""
    files = sorted((where.state(site) / "secure").glob("*.json"))
    return json.loads(files[-1].read_text(encoding="utf-8")) if files else {}


def _rows(file: Path) -> list[dict[str, Any]]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def _lines(file: Path) -> Counter[str]:
    return Counter(str(row["what"]) for row in _rows(file))


def _until(what: Callable[[], object]) -> None:
    if not wait(what, STUCK_SECONDS, pause=0.005):
        raise SystemExit("WRONG: it never happened")


def told(where: Federation) -> int:
    """Print what each account holds beside the ledger; 1 if something is wrong in it."""
    plan, ledger, wrong = load_plan(where.out / "plan.yaml"), _rows(where.out / "ledger.jsonl"), 0
    again = Counter(line["reason"].partition(":")[0] for line in ledger if line["what"] == "again")
    print(f"asked again by what was asked: {dict(again)}")
    for site in sorted(where.hospitals):
        account = PrivacyAccount(where.state(site))
        rows, charges, budget = _rows(where.state(site) / FILE), account.charges(), budget_of(plan)
        charged = [(one.releases, one.apart) for one in charges] == [(budget.releases, budget.apart)]
        sums = [row["sum"] for row in rows if "sum" in row]
        found = {}
        for kind, what in ANSWERS.items():
            got = [line["outcome"] == "ok" for line in ledger if (line["what"], line["site"]) == (what, site)]
            found[kind] = (sum(row["what"] == kind for row in rows), sum(got), len(got) - sum(got))
        right = charged and len(set(sums)) == len(sums)
        right &= all(got <= noted <= got + lost for noted, got, lost in found.values())
        words = ", ".join(f"{kind} {noted} ({got} got, {lost} not used)" for kind, (noted, got, lost) in found.items())
        print(f"{site}: charged {len(charges)} run(s); {words}; {'right' if right else 'WRONG'}")
        wrong += not right
    if is_complete(where.out):
        print(f"steps: {json.loads((where.out / 'summary.json').read_text())['privacy']['steps']}")
    else:
        print(f"WRONG: {why_ended(where.out)}")
    return int(bool(wrong) or not is_complete(where.out))


if __name__ == "__main__":
    sys.exit(main())
