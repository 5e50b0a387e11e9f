"""What people decided about plans: whose yes counts, for which plan, until when; and that it can't be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fedgraft.client.approval.coming import require_approved
from fedgraft.client.approval.decisions import APPROVED, FILE, REFUSED, REVOKED, Decisions
from fedgraft.client.approval.follows import follows
from fedgraft.client.approval.receipt import DEFAULT_PURPOSE, is_signed, receipt_of
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import DataError, PlanRefusedError, SiteFileError, UnapprovedError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS


def approve(site: SiteFile, plan: Plan, until: date | None = None) -> None:
    receipt = receipt_of(site, plan.digest, "Dr A", (), until)
    Decisions(site).write(APPROVED, plan.digest, "Dr A", {"receipt": receipt})


def test_a_plan_waits_is_approved_revoked_and_refused(site: SiteFile, plan: Plan) -> None:
    decisions = Decisions(site)
    with pytest.raises(UnapprovedError, match="waits: fedgraft site review, then fedgraft site approve"):
        require_approved(site, plan)
    assert list(decisions.pending()) == [plan.digest]
    approve(site, plan)
    require_approved(site, plan)
    assert (decisions.pending(), decisions.approved()) == ({}, (plan.digest,))
    for what in (REVOKED, REFUSED):
        decisions.write(what, plan.digest, "Dr B", {"why": "x"})
        with pytest.raises(PlanRefusedError, match=f"is {what} at this site"):
            require_approved(site, plan)
    assert decisions.approved() == ()


def test_a_yes_ends_with_its_last_day(site: SiteFile, plan: Plan) -> None:
    approve(site, plan, date(2030, 3, 31))
    decisions = Decisions(site)
    assert decisions.standing(plan.digest, date(2030, 3, 31)) == "approved"
    assert decisions.standing(plan.digest, date(2030, 4, 1)) == "ended"


def test_a_changed_log_stops_everything(site: SiteFile, plan: Plan) -> None:
    decisions = Decisions(site)
    decisions.write(REFUSED, plan.digest, "Dr A", {"why": "x"})
    path = site.state / FILE
    path.write_text(path.read_text().replace("refused", "approved"))
    with pytest.raises(DataError, match=r"approvals.jsonl was changed: line 1 does not follow"):
        require_approved(site, plan)
    assert decisions.approved() == ()


def test_listed_plans_and_all(site: SiteFile, plan: Plan) -> None:
    require_approved(replace(site, approval="all"), plan)
    require_approved(replace(site, approval="listed", approved=(plan.digest,)), plan)
    other = replace(site, approval="listed", approved=("0" * 64,))
    with pytest.raises(PlanRefusedError, match="is unknown at this site"):
        require_approved(other, plan)
    assert Decisions(other).approved() == ("0" * 64,)


@pytest.mark.parametrize("text", ["approval: listed", f"approved: ['{'0' * 64}']"])
def test_a_list_and_listed_belong_together(asking: Path, text: str) -> None:
    lines = [line for line in asking.read_text().splitlines() if not line.startswith("approv")]
    asking.write_text("\n".join([*lines, text]) + "\n")
    with pytest.raises(SiteFileError, match="`approval: listed` and `approved`, the list of plans' digests, belong"):
        read_site_file(asking)


def test_the_receipt_names_what_was_agreed_and_is_signed(site: SiteFile, plan: Plan) -> None:
    receipt = receipt_of(site, plan.digest, "Dr A", ("triage study",), date(2030, 3, 31))
    assert (receipt["site"], receipt["plan"], receipt["by"]) == (site.name, plan.digest, "Dr A")
    assert (receipt["purposes"], receipt["until"], receipt["cases"]) == (["triage study"], "2030-03-31", 40)
    assert receipt_of(site, plan.digest, "Dr A", (), None)["purposes"] == [DEFAULT_PURPOSE]
    assert is_signed(receipt)
    for name in ("by", "plan", "manifest", "cases", "until"):
        assert not is_signed({**receipt, name: "other"})
    assert not is_signed({name: value for name, value in receipt.items() if name != "key"})
    manifest = site.manifest.read_text()
    site.manifest.write_text(manifest + manifest.splitlines()[-1].replace("-39", "-40") + "\n")
    again = receipt_of(site, plan.digest, "Dr A", (), None)
    assert again["manifest"] != receipt["manifest"]
    assert again["cases"] == 41


def test_the_plan_with_the_sites_own_numbers_needs_no_second_yes(site: SiteFile, plan: Plan) -> None:
    """And one in which anything else is different does."""
    assert plan.table is not None
    filled = replace(plan.table, statistics="plan", means={"age": 50.0}, numeric=("age",))
    numbers = replace(plan, table=filled)
    assert follows(numbers, plan, OURS)
    assert not follows(replace(numbers, rounds=plan.rounds + 1), plan, OURS)
    assert not follows(replace(plan, table=replace(filled, numeric=("age", "weight"))), plan, OURS)
    assert not follows(replace(plan, table=replace(filled, missing=("?", "0"))), plan, OURS)
    assert not follows(plan, numbers, OURS), "the approved plan asks for no numbers"

    approve(site, plan)
    require_approved(site, plan)
    require_approved(site, numbers)
    line = Decisions(site).last(numbers.digest)
    assert line is not None
    assert (line["follows"], line["by"]) == (plan.digest, "Dr A")
    assert json.loads(Decisions(site).receipt(numbers.digest))["plan"] == plan.digest
    Decisions(site).write(REVOKED, plan.digest, "Dr A", {"why": "x"})
    with pytest.raises(PlanRefusedError, match="is revoked at this site"):
        require_approved(site, numbers)


def test_harmonised_images_follow_in_the_same_way(compose_plan: Callable[..., Plan]) -> None:
    asked = compose_plan("harmonise=histogram")
    numbers = compose_plan("harmonise=histogram", f"harmonise.reference={[k / 32 for k in range(33)]}")
    assert follows(numbers, asked, OURS)
    assert not follows(numbers, replace(asked, seed=1), OURS)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("abc", "give six or more figures of"),
        ("0" * 8, "none that came has this digest"),
        ("../etc/x", "none that came"),
    ],
)
def test_plans_that_can_not_be_named(site: SiteFile, plan: Plan, start: str, words: str) -> None:
    decisions = Decisions(site)
    decisions.keep_pending(plan)
    with pytest.raises(SiteFileError, match=words):
        decisions.came(start)
    assert decisions.came(plan.digest[:6])[0] == plan.digest
