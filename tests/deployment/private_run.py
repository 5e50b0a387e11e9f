"""A private run of the hospitals that are up, of which one is killed between the charge and its reply."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from process_tree import below

from fedgraft.client.privacy.account import FILE, PrivacyAccount
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import budget_of

from .conftest import Deployment, Service

WORDS = (
    "privacy=record_evaluated",
    "aggregation=secure",
    "strategy.precision=float64",
    "features.scale=case",
    "rounds=1",
    "privacy.steps=3",
    "patience.quorum_sites=3",
    "patience.deadline=120",
)
SECONDS = 240.0


def a_private_run_is_charged(
    deployment: Deployment, services: dict[str, Service], compose_plan: Callable[..., Plan], folder: Path
) -> None:
    """Each hospital's account holds each answer once, though one of them was computed twice."""
    plan, out = compose_plan(*WORDS).for_hospitals(), folder / "private"
    (folder / "private.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    words = ("run", str(deployment.folder.root), "--plan", str(folder / "private.yaml"), "--out", str(out))
    name = min(services)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(deployment.command, "coordinator", *words, seconds=480)
        _kill_between_charge_and_reply(deployment.scratch / name / "state", services[name], plan.digest)
        done = running.result()
    assert done.returncode == 0, done.stdout + done.stderr
    for site in services:
        state = deployment.scratch / site / "state"
        told = [line["what"] for line in _lines(state / FILE) if line["plan"] == plan.digest]
        assert told == ["run", "counts", "gradient", "gradient", "gradient", "figures"], site
        (charge,) = PrivacyAccount(state).charges()
        assert (charge.releases, charge.apart) == (budget_of(plan).releases, budget_of(plan).apart)
    ledger = _lines(out / "ledger.jsonl")
    assert {line["outcome"] for line in ledger} == {"ok"}
    (again,) = [line for line in ledger if line["what"] == "again"]
    assert again["site"] == name and "gradient: the site reported `killed`" in again["reason"]
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["noise"]) == {"val", "test"} and summary["privacy"]["unit"] == "record"


def _kill_between_charge_and_reply(state: Path, service: Service, plan: str) -> None:
    """A gradient is charged, and then noted in ``released.jsonl`` before it leaves: its process waits there."""
    released, aside = state / "released.jsonl", state / "aside.jsonl"
    _until(lambda: _told(released, plan)["offer"])
    with (state / f".{FILE}.lock").open("a") as account:
        fcntl.flock(account, fcntl.LOCK_EX)
        _until(lambda: any(map(_waits_for_a_lock, _messages(service))))
        released.replace(aside)
        os.mkfifo(released)
    _until(lambda: _told(state / FILE, plan)["gradient"])
    aside.replace(released)  # for whoever comes next
    (waiting,) = _messages(service)
    os.kill(waiting, signal.SIGKILL)


def _messages(service: Service) -> list[int]:
    """The processes that answer a message now."""
    executors = below(service.process.pid, "deployment.executor")
    return [one for executor in executors for server in below(executor, "forkserver") for one in below(server)]


def _waits_for_a_lock(pid: int) -> bool:
    locks = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    return any("->" in line and f" {pid} " in line for line in locks)


def _told(file: Path, plan: str) -> Counter[str]:
    return Counter(str(line["what"]) for line in _lines(file) if line.get("plan") == plan)


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def _until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
