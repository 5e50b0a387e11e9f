"""A plan whose run is over waits for nobody, as far as the coordinator has said so."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from fedgraft.client.approval.asked import Asked, keep_asked, read_asked
from fedgraft.client.approval.decisions import APPROVED, FROM, Decisions
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.cli import main
from fedgraft.common.plan.plan import Plan


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["site", *arguments]) == 0
    return capsys.readouterr().out


def came(site: SiteFile, plan: Plan, ago: float) -> None:
    decisions = Decisions(site)
    decisions.keep_pending(plan)
    moment = time.time() - ago
    os.utime(decisions.kept_at(plan.digest), (moment, moment))


def tell(site: SiteFile, plans: list[str], ago: float = 0.0) -> None:
    keep_asked(site.state, json.dumps({"asked": plans}).encode(), time.time() - ago)


def test_what_can_be_known_of_a_run() -> None:
    asked = Asked(1000.0, ("a",))
    assert asked.run_of("a", 900.0, 1100.0) == "goes on"
    assert asked.run_of("a", 900.0, 1181.0) == "unknown", "that was said three minutes ago"
    assert asked.run_of("b", 900.0, 9999.0) == "over"
    assert asked.run_of("b", 1000.0, 1001.0) == "unknown", "it came after that was said"


def test_an_answer_of_another_version_says_nothing(tmp_path: Path) -> None:
    for answer in (b"kept", b"[]", b'{"asked": 3}', b'{"asked": [3]}', b"\xff"):
        keep_asked(tmp_path, answer, 1.0)
        assert read_asked(tmp_path) is None
    (tmp_path / "asked.json").write_text("{")
    assert read_asked(tmp_path) is None


def test_a_plan_whose_run_is_over_waits_no_more(
    asking: Path, site: SiteFile, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    where, start, decisions = ("--site", str(asking)), plan.digest[:8], Decisions(site)
    came(site, plan, ago=60)
    assert "  whether its run still goes on is not known here" in said(capsys, "pending", *where)
    tell(site, [plan.digest])
    assert "not known" not in said(capsys, "pending", *where)
    tell(site, [])
    assert said(capsys, "pending", *where).splitlines() == [
        "no plan waits for a decision",
        f"not decided, and the run that asked is over: {plan.digest[:16]}",
    ]
    assert "waits for a decision" not in said(capsys, "status", *where)
    told = said(capsys, "approve", start, "--by", "Dr A", *where)
    assert told.startswith(
        f"plan {plan.digest[:16]} is approved, until it is revoked; but the run that asked for it is over, as the "
        "coordinator said at "
    )
    assert told.endswith(": this counts for a later run of the same plan\n")
    assert decisions.standing(plan.digest) == "approved"


def test_a_plan_that_is_asked_again_waits_again(site: SiteFile, plan: Plan) -> None:
    came(site, plan, ago=60)
    tell(site, [], ago=30)
    decisions = Decisions(site)
    assert (decisions.pending(), decisions.over()) == ({}, (plan.digest,))
    decisions.keep_pending(plan)
    assert (list(decisions.pending()), decisions.over()) == ([plan.digest], ())


def test_a_plan_with_numbers_of_the_sites_is_asked_for_with_the_one_that_it_follows(site: SiteFile, plan: Plan) -> None:
    came(site, plan, ago=60)
    Decisions(site).write(APPROVED, plan.digest, "Dr A", {FROM: "first"})
    tell(site, ["first"])
    assert Decisions(site).run_of(plan.digest) == "goes on"
    tell(site, [])
    assert Decisions(site).run_of(plan.digest) == "over"


@pytest.mark.parametrize(("plans", "ago"), [(None, 0), (True, 0), (True, 400)], ids=["never", "now", "long ago"])
def test_approving_says_what_is_known(
    asking: Path, site: SiteFile, plan: Plan, capsys: pytest.CaptureFixture[str], plans: bool | None, ago: float
) -> None:
    came(site, plan, ago=600)
    if plans:
        tell(site, [plan.digest], ago)
    told = said(capsys, "approve", plan.digest[:8], "--by", "Dr A", "--site", str(asking))
    if plans and not ago:
        assert told.endswith("; the coordinator is told within seconds\n")
    else:
        since = "since 20" if plans else "yet)"
        assert "(whether a run still asks for it is not known here: the coordinator has not said " + since in told
