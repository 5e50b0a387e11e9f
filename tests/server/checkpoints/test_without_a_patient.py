"""The last round is done again without a patient who opted out (docs/withdrawal.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.site.site_file import read_site_file
from fedgraft.client.withdrawal.withdraw import withdraw
from fedgraft.common.plan.plan import Plan
from fedgraft.server.audit.verify import verify
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.exchange.ledger import Entry, read_entries


def test_the_run_goes_on_from_the_round_before_without_them(
    runs: Any, interruption: type[BaseException], compose_plan: Callable[..., Plan]
) -> None:
    plan = compose_plan(
        "rounds=3", "engine.threads=1", "patience.quorum_sites=2", "decide.unseen=null", "loss.weights=none"
    )
    with pytest.raises(interruption):
        runs.begin(plan, "cut", stop=3, remembers=True)
    out = runs.folder / "cut"
    checkpoints = Checkpoints(out)
    assert checkpoints.numbers() == [1, 2]
    site = read_site_file(out / "sites" / "alder" / "site.yaml")
    before = {one.site: one.examples for one in read_entries(out / "ledger.jsonl") if one.what == "train"}
    trained = [case.patient for case in read_manifest(site.manifest)]
    done = withdraw(site, [*dict.fromkeys(trained)][:2], "Dr. Grey")
    assert done.runs == ("1",)

    (checkpoints.folder / "000002.safetensors").unlink()
    outcome = runs.begin(plan, "cut", resume=True, run=5, remembers=True)
    assert outcome.rounds[-1].number == 3
    learnt = {one.round: one.examples for one in read_entries(out / "ledger.jsonl") if _is_learnt(one)}
    assert learnt[1] == before["alder"] and learnt[3] == learnt[2]
    assert 0 < learnt[2] < learnt[1], "what it had answered before is not given again"
    assert verify(out).is_clean


def _is_learnt(entry: Entry) -> bool:
    return (entry.site, entry.what, entry.outcome) == ("alder", "train", "ok")
