"""What a site's console shows, and a person's yes and no by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from fedgraft.client.approval.decisions import FILE, Decisions
from fedgraft.client.console.kept import left_part, status_part, work_part
from fedgraft.client.console.metrics import metrics
from fedgraft.client.console.plans import asked_part
from fedgraft.client.overview.overview import overview
from fedgraft.client.site.site_file import write_site_file
from fedgraft.common.web.metrics import exposition

from ...common.web.test_metrics import parsed
from ...serving import opened, send, words
from .conftest import NOW, Asked


@pytest.fixture
def client(asked: Asked) -> Iterator[httpx.Client]:
    with opened(asked.link) as found:
        yield found


def ended(client: httpx.Client, answer: httpx.Response) -> str:
    """The words of a command's page once it has ended."""
    assert answer.url.path.startswith("/commands/"), words(answer.text)
    deadline = time.monotonic() + 120
    while not any(f" {state} " in (said := words(client.get(answer.url.path).text)) for state in ("done", "failed")):
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    return said


def test_a_plan_is_approved_and_revoked(asked: Asked, client: httpx.Client) -> None:
    digest = asked.plan.digest
    shown = client.get("/").text
    assert digest[:16] in shown and "fl.example.org:8443" in shown and "identity, 3 rounds" in words(shown)
    assert 'action="/approve"' not in shown, "nobody says yes to what was not shown"
    for fields, wrong in (
        ({"by": " "}, "name who decides"),
        ({"by": "Dr A", "until": "2001-01-01"}, "--until 2001-01-01 is over"),
        ({"by": "Dr A", "until": "soon"}, "'soon' is no day; write YYYY-MM-DD"),
    ):
        refused = send(client, "/approve", plan=digest, **fields)
        assert refused.status_code == 400 and wrong in words(refused.text)
    answer = send(client, "/approve", plan=digest, by="Dr <A>", until="2999-01-01", purpose="a study")
    assert f"plan {digest[:16]} is approved, to the end of 2999-01-01" in words(answer.text)
    line = Decisions(asked.site).last(digest)
    assert line is not None and line["receipt"]["purposes"] == ["a study"] and line["by"] == "Dr <A>"
    assert "Dr &lt;A&gt;" in answer.text and "<A>" not in answer.text
    answer = send(client, "/revoke", plan=digest, by="Dr B", why="patients asked")
    assert "is revoked" in words(answer.text) and Decisions(asked.site).standing(digest) == "revoked"
    again = send(client, "/revoke", plan=digest, by="Dr B", why="again")
    assert again.status_code == 400 and "is not approved: revoked" in words(again.text)


def test_a_plan_is_refused(asked: Asked, client: httpx.Client) -> None:
    assert send(client, "/review", plan="0" * 64).status_code == 400
    answer = send(client, "/refuse", plan=asked.plan.digest, by="Dr A", why="no ethics vote")
    assert "is refused; the coordinator learns that, not why" in words(answer.text)
    assert "No plan waits for a decision." in words(answer.text) and "refused: no ethics vote" in words(answer.text)


def test_a_plan_that_the_bounds_refused_is_shown_and_can_be_read(asked: Asked, client: httpx.Client) -> None:
    assert "site.yaml refuses" not in words(client.get("/").text)
    site = asked.site
    write_site_file(asked.file, replace(site, bounds=replace(site.bounds, rounds=2)))
    (site.state / "beyond-bounds").mkdir()
    digest = asked.plan.digest
    (site.state / "pending" / f"{digest}.json").rename(site.state / "beyond-bounds" / f"{digest}.json")
    shown = words(client.get("/").text)
    assert "No plan waits for a decision. Plans that site.yaml refuses" in shown
    assert f"{digest[:16]}" in shown and "identity, 3 rounds Read which" in shown
    assert "They ask for more than `bounds` in site.yaml allow, and are refused whoever approves them." in shown
    said = ended(client, send(client, "/review", plan=digest))
    assert "rounds=3 is above bounds.rounds=2" in said
    assert "Approve this plan" not in said and "Refuse this plan" not in said
    assert send(client, "/approve", plan=digest, by="Dr A").status_code == 400


def test_what_left_and_what_it_cost(asked: Asked, client: httpx.Client) -> None:
    left = words(client.get("/left").text)
    assert "3 answers, 5.0 MB of weights" in left and "2026-01-03 update 1 2.5 MB 2026-01-02 offer 1" in left
    shown = words(client.get("/site").text)
    assert "train 1 61.0 s" in shown and "are free on that disk" in shown and "never made" in shown
    assert "Last failure, 2026-01-02 10:02:00: disk-full : free space" in words(client.get("/").text)
    nothing = replace(overview(asked.site, NOW), left=(), work=(), last_error=None, connected=True, coordinator=None)
    assert "Nothing has left" in words(left_part(nothing)) and "messages" not in words(work_part(nothing))
    assert words(status_part(nothing)) == "site-0 : connected"


def test_the_sites_own_pages_are_kept_apart(asked: Asked, client: httpx.Client) -> None:
    assert client.get("/pages/check").status_code == client.get("/pages/site.secret").status_code == 404
    (asked.site.state / "check.html").write_text("<h1>check</h1>")
    answer = client.get("/pages/check")
    assert answer.text == "<h1>check</h1>" and "sandbox" in answer.headers["content-security-policy"]
    assert 'href="/pages/check"' in client.get("/site").text


def test_patients_are_withdrawn_and_named_nowhere(asked: Asked, client: httpx.Client) -> None:
    refused = send(client, "/withdraw", patients="", by="Dr A")
    assert refused.status_code == 400 and "name the patients, one a line" in words(refused.text)
    answer = send(client, "/withdraw", patients="site-0-3\r\nsite-0-4", by="Dr A")
    said = ended(client, answer)
    assert "2 patient(s) are withdrawn" in said and "site-0-3" not in said
    assert "site-0-3" not in client.get("/commands").text
    logs = [path.read_text(errors="replace") for path in asked.site.state.glob("*.jsonl")]
    assert not any("site-0-3" in text for text in logs)


def test_who_asks_nobody_and_a_log_that_was_changed(asked: Asked, client: httpx.Client) -> None:
    write_site_file(asked.file, replace(asked.site, approval="all"))
    assert "Nobody is asked: site.yaml has approval: all." in words(client.get("/").text)
    write_site_file(asked.file, replace(asked.site, approval="ask"))
    send(client, "/refuse", plan=asked.plan.digest, by="Dr A", why="no")
    log = asked.site.state / FILE
    log.write_text(log.read_text().replace("Dr A", "Dr B"))
    assert "can't be trusted" in words(client.get("/").text)
    assert "can't be trusted" in words(asked_part(overview(asked.site, NOW), "t"))


def test_figures_for_prometheus(asked: Asked) -> None:
    found = parsed(exposition(metrics(overview(asked.site, NOW))))
    assert found["fedgraft_site_plans_waiting"] == ("gauge", {(): 1.0})
    assert found["fedgraft_site_released"][1] == {(("what", "offer"),): 1.0, (("what", "update"),): 2.0}
    assert found["fedgraft_site_released_bytes"][1][("what", "update"),] == 5_000_000.0
    assert found["fedgraft_site_work_seconds"][1] == {(("what", "train"),): 61.0}
    assert found["fedgraft_site_connected"][1] == {(): 0.0} and found["fedgraft_site_disk_free_bytes"][1][()] > 0
