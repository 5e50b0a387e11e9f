"""What the coordinator's console shows of a run that was really run, and what its forms do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from fedgraft.common.plan.plan import from_dict
from fedgraft.common.wire.site_facts import SiteFacts, pack_facts
from fedgraft.server.console.hospitals import clock, hospital_rows, invitations, status_line
from fedgraft.server.console.metrics import metrics
from fedgraft.server.console.past import past_part
from fedgraft.server.console.run import run_part
from fedgraft.server.console.starting import pasted, text_of
from fedgraft.server.deployment.folder import read_sites, write_sites
from fedgraft.server.deployment.invitations import Invited, read_invitations
from fedgraft.server.deployment.open_runs import end
from fedgraft.server.watching.observed import SeenRound

from ...common.web.test_metrics import parsed
from ...serving import opened, send, words
from ..watching.conftest import Watched
from .conftest import HOSTILE, look


@pytest.fixture
def client(link: str) -> Iterator[httpx.Client]:
    with opened(link) as found:
        yield found


def test_hospitals_as_rows(run: Watched) -> None:
    found = look(run)
    told = words(hospital_rows(found))
    one, two, _ = run.names
    assert f"{one} online" in told and f"{two} online" in told and "answered evaluate, round 3 after " in told
    assert (
        told.count("approves any") == 2
        and "site-error (round 2, train) round 2 (train): site-error, the site reported `disk-full`" in told
    )
    ask = SiteFacts("0.9", 1, "rows", cases=430, approval="ask")
    kept = {"received": time.time() - 90, "ahead": -12.0, "facts": pack_facts(ask).decode()}
    (run.folder.facts / f"{one}.json").write_text(json.dumps(kept))
    sites = read_sites(run.folder)
    write_sites(run.folder, (replace(sites[0], cases=400), *sites[1:]))
    told = words(hospital_rows(look(run)))
    for said in ("silent", "asks its people", "about 430, counts for 400 at most", "0.9", "12 s behind"):
        assert said in told
    (run.out / "checkpoint" / "complete").unlink()
    assert "waiting for approval" in words(hospital_rows(look(run))), "as long as the run goes on"
    assert "Invite one" in words(hospital_rows(replace(found, hospitals=())))


def test_a_clock_in_words() -> None:
    assert (clock(None), clock(-1.9), clock(2.0)) == ("–", "in step", "in step")
    assert words(clock(3.2) or "") == "3 s ahead"


def test_the_coordinators_own_line(run: Watched) -> None:
    found = look(run)
    told = words(status_line(found))
    assert told.startswith("localhost:8443 not asked, certificate: 39") and told.endswith(" days left")
    expired = replace(found, running=False, now=found.now + 398 * 86400)
    expired = replace(expired, certificate=replace(found.certificate, state="expired"))
    assert "not running; start it: fedgraft coordinator start" in words(status_line(expired))
    assert "certificate: expired; renew it: fedgraft coordinator renew" in words(status_line(expired))
    assert " running, certificate" in words(status_line(replace(found, running=True)))


def test_a_run_with_its_curves(run: Watched) -> None:
    found = look(run).run
    assert found is not None
    shown = run_part(found, "t")
    assert "first: completed, AUROC " in words(shown) and "Cases by round" in words(shown)
    assert shown.count("<svg") == 3 and "style=" not in shown, "the page allows no style in an element"
    for name in run.names[:2]:
        assert f"<bdi>{name}</bdi>" in shown
    assert f"round 3: {found.course[3].cases} cases of 2 hospitals" in words(shown)
    assert "Stop" not in words(shown) and "Go on" not in words(shown)
    assert "Stop this run" in words(run_part(replace(found, state="running"), "t"))
    assert "Go on with this run" in words(run_part(replace(found, state="ended", reason="it was stopped"), "t"))
    assert "No run has begun yet" in words(run_part(None, "t"))
    many = {f"h{number}": 0.5 for number in range(9)}
    wide = replace(found, course=(SeenRound(1, 0.5, many, 9, 90, 1.0, 2_500_000, 10),))
    assert "Grey: 4 more hospitals." in words(run_part(wide, "t")) and "MB, all hospitals together" in run_part(
        wide, "t"
    )
    unknown = replace(found, figure="", course=found.course[:1])
    assert run_part(unknown, "t").count("<svg") == 0


def test_runs_with_their_reports(run: Watched, client: httpx.Client) -> None:
    assert "first" in words(past_part(look(run), "t")) and "Go on" not in words(past_part(look(run), "t"))
    report = client.get("/report/first")
    assert report.text == (run.out / "report.html").read_text()
    policy = report.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script-src" not in policy
    for path in ("/report/second", "/report/%2e%2e%2ffirst", "/report/first%2f..%2f..%2fca.key"):
        assert client.get(path).status_code == 404
    (run.out / "checkpoint" / "complete").unlink()
    end(run.out, "it was stopped")
    assert "Go on" in words(past_part(look(run), "t"))
    assert "No run has begun yet" in words(past_part(replace(look(run), runs=()), "t"))


def test_inviting_shows_the_line_once(run: Watched, client: httpx.Client) -> None:
    answer = send(client, "/invite", name="west", hours="48", cases="120", confirm="yes")
    line = re.search(r'class="line-to-copy">([^<]+)<', answer.text)
    assert line is not None and answer.status_code == 200
    kept = read_invitations(run.folder)["west"]
    assert (kept.cases, kept.confirmed) == (120, False) and 47 * 3600 < kept.until - time.time() <= 48 * 3600
    assert line[1] not in client.get("/invite").text and "west" in client.get("/invite").text
    for fields, said in (
        ({"name": HOSTILE}, "is no name of a site"),
        ({"name": "site-0"}, "site-0 is registered already"),
        ({"name": "east", "hours": "x"}, "is no number"),
    ):
        answer = send(client, "/invite", **fields)
        assert answer.status_code == 400 and said in words(answer.text) and "<script>" not in answer.text
    answer = send(client, "/confirm", name="nobody")
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    key = Invited("west", time.time(), "to confirm", "SHA256:abc")
    assert "compare by telephone: SHA256:abc" in words(invitations(replace(look(run), invited=(key,)), "t") or "")


def test_a_run_begins_only_after_its_dry_run(run: Watched, client: httpx.Client) -> None:
    """The coordinator does not run here, so that the dry run says so, and no run can be started from it."""
    (run.folder.root / "plans").mkdir()
    (run.folder.root / "plans" / "next.yaml").write_text("rounds: 3\n")
    shown = client.get("/start").text
    assert "next.yaml" in shown and "as in run first" in shown
    assert ">rounds: 3\n<" in client.get("/start?plan=next.yaml").text
    for nothing in ("plan=../ca.key", "plan=/etc/passwd", "tried=1", "tried=x"):
        assert "></textarea>" in client.get(f"/start?{nothing}").text
    answer = send(client, "/dry-run", text=" ")
    assert answer.status_code == 400 and "open a plan, or paste one" in answer.text
    opened_plan = client.get("/start", params={"plan": "as in run first"}).text
    text = unescape(opened_plan.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0])
    answer = send(client, "/dry-run", text=text)
    where = answer.url.path
    assert where == "/commands/1"
    deadline = time.monotonic() + 120
    while "failed" not in (said := client.get(where).text):
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    assert "is not running; `fedgraft coordinator start` starts it" in said and "Change the plan" in said
    assert 'action="/start"' not in said
    assert text in unescape(client.get("/start?tried=1").text), "it can be changed, and tried again"
    for number in ("1", "7", ""):
        answer = send(client, "/start", job=number)
        assert answer.status_code == 400 and "after a dry run that was good" in answer.text
    assert client.get("/commands/7").status_code == 404


def test_a_plan_that_is_pasted_is_kept_as_a_file(run: Watched) -> None:
    kept = pasted(run.folder, "rounds: 3\r\nseed: 1")
    assert kept.read_bytes() == b"rounds: 3\nseed: 1\n" and kept.suffix == ".yaml"
    assert pasted(run.folder, '{"rounds": 3}').suffix == ".json"
    assert (
        from_dict(yaml.safe_load(text_of(run.out / "submitted.json"))).digest
        == json.loads((run.out / "headline.json").read_text())["plan"]
    ), "the same plan, as a person reads it"


def test_a_draft_is_made_and_opened(run: Watched, client: httpx.Client) -> None:
    answer = send(client, "/draft")
    deadline = time.monotonic() + 120
    while "Open it" not in (said := client.get(answer.url.path).text):
        assert time.monotonic() < deadline and "failed" not in said, words(said)
        time.sleep(0.1)
    assert "wrote " in said and "to fill in before it can run" in said
    (name,) = [path.name for path in (run.folder.root / "plans").iterdir()]
    assert f'href="/start?plan={name}"' in said and "rounds:" in client.get(f"/start?plan={name}").text


def test_stopping_and_going_on_need_a_run_of_this_coordinator(client: httpx.Client) -> None:
    for path in ("/stop", "/resume"):
        assert send(client, path, run="../../etc").status_code == 404
    assert send(client, "/stop", run="first").status_code == 404, "it does not go on"


def test_figures_for_prometheus(run: Watched, link: str) -> None:
    at = urlsplit(link)
    secret = (run.folder.root / "metrics.token").read_text()
    headers = {"authorization": f"Bearer {secret}"}
    with httpx.Client(trust_env=False) as scraper:
        text = scraper.get(f"{at.scheme}://{at.netloc}/metrics", headers=headers).text
    found = parsed(text)
    assert found["fedgraft_run_round"] == ("gauge", {(): 3.0})
    assert found["fedgraft_runs"] == ("gauge", {(("state", "completed"),): 1.0})
    assert found["fedgraft_site_online"][1][("site", HOSTILE),] == 0.0
    assert found["fedgraft_run_drops"][1][("site", HOSTILE),] == 1.0
    seen = look(run).run
    assert seen is not None
    assert found["fedgraft_run_bytes"][1][("way", "to_sites"),] == sum(one.down for one in seen.course)
    up = [one for one in metrics(replace(look(run), running=False)) if one.name == "fedgraft_coordinator_up"]
    assert [sample.value for sample in up[0].samples] == [0.0]
    without = metrics(replace(look(run), run=None))
    assert not any(one.name.startswith("fedgraft_run_") for one in without)


def test_nothing_of_a_case_and_no_error_text(run: Watched, client: httpx.Client, finished: Watched) -> None:
    """Of hospitals the page has only what the ledger, their facts and released figures say."""
    hospitals = Path(finished.folder.root.with_name("hospitals"))
    patients = (hospitals / "site-0" / "manifest.csv").read_text().splitlines()[1].split(",")[-1]
    for path in ("/", "/runs", "/start", "/invite", "/commands"):
        text = client.get(path).text
        assert HOSTILE not in text and "Traceback" not in text
        for secret in (patients, "table.csv", "manifest", str(run.folder.root), "errors.jsonl"):
            assert secret not in text, (path, secret)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get("/").text
