"""`fedgraft site pending`, `review`, `approve`, `refuse`, `revoke`, `decisions`: what a person at a hospital sees."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.review import approving
from fedgraft.client.review.words import differences
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.plan.plan import Plan


def said(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert main(["site", *arguments]) == code
    found = capsys.readouterr()
    return found.out + found.err


def test_from_coming_to_revoking(asking: Path, site: SiteFile, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--site", str(asking))
    assert "no plan waits for a decision" in said(capsys, 0, "pending", *where)
    Decisions(site).keep_pending(plan)
    start = plan.digest[:8]
    assert f"{plan.digest[:16]}  came " in said(capsys, 0, "pending", *where)
    shown = said(capsys, 0, "review", start, "--no-check", *where)
    for words in (
        f"plan {plan.digest} ({plan.backbone.name}, 3 rounds): waits for a decision here",
        "task: classification: clear, lesion",
        "how: 3 rounds, ",
        "in each round: the trained weights; the mean training loss",
        "smallest group: 5 cases behind any count, 1 patients behind what is learnt",
        "privacy: no differential privacy: what leaves is exact",
        "no other plan was approved here before",
    ):
        assert words in shown
    assert "is approved, to the end of 2999-01-01" in said(
        capsys, 0, "approve", start, "--by", "Dr A", "--until", "2999-01-01", *where
    )
    assert "is revoked: this site answers no further message" in said(
        capsys, 0, "revoke", start, "--by", "Dr B", "--why", "patients", *where
    )
    assert f"plan {plan.digest[:16]} is not approved: revoked" in said(
        capsys, 2, "revoke", start, "--by", "Dr B", "--why", "again", *where
    )
    again = said(capsys, 0, "review", start, "--no-check", *where)
    assert "3 rounds): its approval was revoked" in again
    told = said(capsys, 0, "decisions", *where)
    assert "approved by Dr A, until 2999-01-01" in told
    assert "revoked by Dr B: patients" in told
    assert "2 decision(s), no line was changed" in told


def test_the_next_plan_is_compared_with_the_one_that_was_approved_last(
    asking: Path,
    site: SiteFile,
    plan: Plan,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ("--site", str(asking))
    new = replace(plan, rounds=30, train=replace(plan.train, lr=0.5))
    for one in (plan, new):
        Decisions(site).keep_pending(one)
    said(capsys, 0, "approve", plan.digest, "--by", "Dr A", *where)
    shown = said(capsys, 0, "review", new.digest, "--no-check", *where)
    assert "different from the plan that was approved last:\n  rounds: 30 (was 3)\n  train.lr: 0.5 (was 0.1)" in shown
    assert list(differences(plan, replace(plan, patience=replace(plan.patience, wait=1.0)))) == []


def test_the_check_runs_on_this_sites_own_data(
    asking: Path,
    site: SiteFile,
    plan: Plan,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert site.coordinator is not None
    write_site_file(asking, replace(site, coordinator=None))
    Decisions(site).keep_pending(plan)
    main(["site", "review", plan.digest, "--site", str(asking)])
    shown = capsys.readouterr().out
    assert plan.digest[:12] in shown
    assert "what leaves, and what it could tell" in shown
    assert "cohort" in shown


def test_a_day_that_is_none_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    approving.add_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["abcdef", "--by", "A", "--until", "2026-13-01"])
    assert "--until: '2026-13-01' is no day; write it as 2027-01-31" in capsys.readouterr().err


def test_refusing_and_days_that_are_over(
    asking: Path,
    site: SiteFile,
    plan: Plan,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ("--site", str(asking))
    Decisions(site).keep_pending(plan)
    start = plan.digest[:8]
    assert "is over; give a day to come" in said(
        capsys, 2, "approve", start, "--by", "A", "--until", "2020-01-01", *where
    )
    assert Decisions(site).standing(plan.digest, date.today()) == "unknown"
    assert "is refused; the coordinator learns that, not why" in said(
        capsys, 0, "refuse", start, "--by", "A", "--why", "too small", *where
    )
    assert "no plan waits" in said(capsys, 0, "pending", *where)
    write_site_file(asking, replace(site, approval="listed", approved=("ab" * 32,)))
    assert "): not among `approved` in site.yaml\n" in said(capsys, 0, "review", start, "--no-check", *where)
    write_site_file(asking, replace(site, approval="all"))
    assert "nothing waits" in said(capsys, 0, "pending", *where)
