"""The coordinator's console in a real browser, wide and narrow: nothing is cut off, nothing from elsewhere, it is live,
and the keyboard alone suffices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedgraft.server.deployment.invitations import read_invitations

from ...browser import Page, chromium, needed
from ..watching.conftest import Watched
from .conftest import HOSTILE

PAGES = {
    "": "Hospitals",
    "runs": "completed",
    "start": "Dry run",
    "invite": "Make an invitation",
    "commands": "nothing yet",
}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "browser") as found:
        yield found


@pytest.mark.processes
@needed
def test_wide_and_narrow_live_and_by_keyboard(page: Page, link: str, run: Watched) -> None:
    base = link.partition("?")[0]
    page.open(link)
    assert page.value("location.href") == base, "the secret is not in the address any more"
    page.fits(base, PAGES, "FedGraft coordinator")
    page.open(base)
    assert HOSTILE in page.text(), "as text"
    page.until("document.getElementById('live').textContent === 'live'")
    (run.out / "left-out.json").write_text('{"1002": "fourth-hospital"}')
    page.until("document.body.innerText.includes('fourth-hospital')")
    page.value("document.getElementById('pause').click()")
    assert page.value("document.getElementById('live').textContent") == "paused"
    page.open(base + "invite")
    page.value("document.getElementById('name').focus()")
    page.call("Input.insertText", text="west")
    for _ in range(4):  # hours, cases, box, button
        page.key("Tab")
    page.key("Enter")
    page.until("document.querySelector('.line-to-copy') !== null")
    assert list(read_invitations(run.folder)) == ["west"]
    assert {address.split("/")[2] for address in page.asked if not address.startswith("data:")} == {base.split("/")[2]}
    assert page.complaints == []
    page.open(base + "report/first")
    page.until("document.body.innerText.includes('Before you rely on it')")
    assert page.value("document.origin ?? self.origin") in ("null", None), "the report is kept apart from the console"


@pytest.mark.processes
@needed
def test_another_origin_and_a_stranger_get_nothing(page: Page, link: str, run: Watched, tmp_path: Path) -> None:
    base = link.partition("?")[0]
    page.open(base)
    assert "Closed." in page.text() and "site-0" not in page.text()
    page.open(link)
    assert "site-0" in page.text()
    evil = tmp_path / "evil.html"
    evil.write_text(
        f'<form method="post" action="{base}invite"><input name="name" value="mallory"></form><p>evil</p>'
        f'<iframe src="{base}"></iframe>'
    )
    page.open(evil.as_uri())
    page.until("document.body.innerText.includes('evil')")
    page.value("document.forms[0].submit()")
    page.until("document.body !== null && document.body.innerText.includes('not a form of this console')")
    assert read_invitations(run.folder) == {}
