"""A site's console in a real browser: a plan is read and approved by keyboard and mouse, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.approval.decisions import Decisions

from ...browser import chromium, needed
from .conftest import Asked

PAGES = {"": "Asked", "left": "5.0 MB", "site": "Privacy account", "withdraw": "Withdraw them", "commands": "Commands"}


@pytest.mark.processes
@needed
def test_a_person_reads_a_plan_and_approves_it(asked: Asked, tmp_path: Path) -> None:
    base, start = asked.link.partition("?")[0], asked.plan.digest[:8]
    with chromium(tmp_path / "browser") as page:
        page.open(asked.link)
        page.fits(base, PAGES)
        page.open(base)
        page.value(f"document.getElementById('review-{start}').focus()")
        page.key("Enter")
        page.until("document.getElementById('by') !== null")
        for part in ("what it does:", "in each round: the trained weights", "smallest group: 5 cases"):
            assert part in page.text()
        page.value("document.getElementById('by').focus()")
        page.call("Input.insertText", text="Dr A")
        page.key("Enter")
        page.until("document.body.innerText.includes('is approved, until it is revoked')")
        assert Decisions(asked.site).standing(asked.plan.digest) == "approved"
        assert {one.split("/")[2] for one in page.asked if not one.startswith("data:")} == {base.split("/")[2]}
        assert page.complaints == []
