"""Who is silent, and what a coordinator's terminals say of sites that come and go."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.common.runtime.moments import ago, clock_time
from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.common.wire.site_facts import SiteFacts, pack_facts
from fedgraft.server.deployment.folder import RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.invitations import invite, take_up
from fedgraft.server.deployment.public import site_news
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.deployment.public.silence import silent_since
from fedgraft.server.deployment.public.site_news import SiteNews, tell

FACTS = SiteFacts("1", 1, "rows")


def test_a_site_is_silent_after_45_seconds_and_one_that_never_told_is_not_flagged() -> None:
    announced = {"north": Announced(55.0, FACTS), "south": Announced(54.9, FACTS), "gone": Announced(0.0, FACTS)}
    assert silent_since(["north", "south", "old"], announced, 100.0) == {"south": 54.9}


def sites(**keys: str) -> list[RegisteredSite]:
    return [RegisteredSite(name, str(number), key) for number, (name, key) in enumerate(keys.items())]


def test_a_runs_terminal_says_each_change_once() -> None:
    news, two = SiteNews(), sites(north="N", south="S")
    heard = {"north": Announced(100.0, FACTS), "south": Announced(100.0, FACTS)}
    assert news.lines(two, heard, 120.0) == [], "they are there"
    (line,) = news.lines(two, {**heard, "north": Announced(170.0, FACTS)}, 170.0)
    assert re.match(
        r"site south is silent since .*\d\d:\d\d:40: is its machine on, its line, `fedgraft site start`", line
    )
    assert news.lines(two, {**heard, "north": Announced(180.0, FACTS)}, 180.0) == [], "once"
    both = {name: Announced(190.0, FACTS) for name in heard}
    assert news.lines(two, both, 191.0) == ["site south is heard again"]
    three = sites(north="N2", west="W", south="S")
    assert news.lines(three, both, 192.0) == [
        "site west is registered, with the key W",
        "site north has another key from now on: N2",
    ]
    assert news.lines(three, {**both, "west": Announced(193.0, FACTS)}, 193.0) == ["site west is connected"]
    assert news.lines(sites(north="N2", south="S"), both, 194.0) == ["site west left or was unregistered"]
    assert news.lines(sites(north="N2", south="S"), both, 195.0) == []


def test_a_site_that_is_silent_when_a_run_is_followed_is_said_at_once() -> None:
    assert "south is silent" in SiteNews().lines(sites(south="S"), {"south": Announced(1.0, FACTS)}, 100.0)[0]


def test_a_coordinator_that_starts_says_who_connects_then() -> None:
    news, two = SiteNews(since=100.0), sites(north="N", south="S")
    old = {"north": Announced(99.0, FACTS), "south": Announced(10.0, FACTS)}
    assert news.lines(two, old, 101.0) == [], "what they told its predecessor says nothing about now"
    assert news.lines(two, {**old, "south": Announced(102.0, FACTS)}, 103.0) == ["site south is connected"]


def test_a_running_coordinator_tells_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(site_news, "EVERY_SECONDS", 0.01)
    folder, stopping = create(tmp_path / "c", Settings(("localhost",))), threading.Event()
    (one,) = invite(folder, ["north"], 3600.0, time.time(), confirm=True)
    make_key_pair(tmp_path / "site.key", "north")
    key = " ".join((tmp_path / "site.key.pub").read_text().split()[:2])
    thread = threading.Thread(target=tell, args=(folder, stopping), daemon=True)
    thread.start()
    said = ""

    def until(text: str) -> str:
        nonlocal said
        deadline = time.monotonic() + 10
        while text not in said and time.monotonic() < deadline:
            said += capsys.readouterr().out
            time.sleep(0.01)
        return said

    take_up(folder, "north", one.secret, key, time.time())
    print_of = fingerprint(key.encode())
    assert f"site north came with its invitation: compare {print_of} by telephone, then" in until("compare")
    write_sites(folder, (RegisteredSite("north", "7", print_of),))
    until("is registered")
    folder.sites_file.write_text("[{")  # being restored
    folder.facts.mkdir()
    kept = {"received": time.time() + 1, "ahead": 0.0, "facts": pack_facts(FACTS).decode()}
    (folder.facts / "north.json").write_text(json.dumps(kept))
    write_sites(folder, (RegisteredSite("north", "7", print_of),))
    until("is connected")
    write_sites(folder, ())
    until("unregistered")
    stopping.set()
    thread.join(10)
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "site north came with its invitation",
        "site north is registered, with the key SHA256",
        "site north is connected",
        "site north left or was unregistered",
    ]


def test_times_in_words() -> None:
    assert [ago(n) for n in (-1, 12.9, 119, 120, 7_199, 7_200, 200_000)] == [
        "0 s",
        "12 s",
        "119 s",
        "2 min",
        "119 min",
        "2 h",
        "2 days",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:40", clock_time(100.0))
