"""What a site tells of itself, over real TLS: by whom, what its file allows, and what is kept."""

from __future__ import annotations

import json
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.approval.asked import read_asked
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.cohort.at_a_glance import glance
from fedgraft.client.deployment.announcing import Announcer, announcing, room_of
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.client.site.site_file import Announcement, Coordinator, SiteFile
from fedgraft.common.errors import DataError, WireError
from fedgraft.common.runtime.signed_requests import signed_headers
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.common.wire.site_facts import WIRE, SiteFacts, pack_facts, rounded, unpack_facts
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.open_runs import end
from fedgraft.server.deployment.public.announced import FACTS_PATH, Board, forget, read_announced
from fedgraft.server.deployment.public.published import Refused

from .front import gateway_of

ROWS = "age,label,patient\n" + "".join(f"{40 + n},{'ab'[n % 2]},P{n}\n" for n in range(1234))


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Folder, int]]:
    folder = create(tmp_path_factory.mktemp("told") / "coordinator", Settings(("localhost",)))
    with gateway_of(folder) as port:
        yield folder, port


@pytest.fixture
def site(coordinator: tuple[Folder, int], tmp_path: Path) -> SiteFile:
    folder, port = coordinator
    public = make_key_pair(tmp_path / "site.key", "north")
    write_sites(folder, (RegisteredSite("north", "1", key_fingerprint(public)),))
    (tmp_path / "manifest.csv").write_text(ROWS)
    (tmp_path / "state").mkdir()
    reached = Coordinator(f"localhost:{port}", folder.authority, tmp_path / "site.key")
    return SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state", coordinator=reached)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def announcer(site: SiteFile) -> Announcer:
    assert site.coordinator is not None
    return Announcer(site, site.coordinator)


def test_a_registered_site_is_heard(coordinator: tuple[Folder, int], site: SiteFile) -> None:
    folder, _ = coordinator
    telling = announcer(site)
    assert telling.announce() == telling.announce() == 200
    kept = folder.facts / "north.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(folder.facts.stat().st_mode) == 0o700
    found = read_announced(folder)["north"].facts
    assert found == telling.facts()
    assert (found.kind, found.cases, found.columns, found.wire) == ("rows", 1200, ("age", "label", "patient"), WIRE)
    logged = [json.loads(line) for line in (site.state / "released.jsonl").read_text().splitlines()]
    assert [(line["what"], line["cases"]) for line in logged] == [("facts", 1200)], "once, since nothing changed"
    forget(folder, "north")
    assert read_announced(folder) == {}


def test_how_far_a_sites_clock_is_off(coordinator: tuple[Folder, int], site: SiteFile) -> None:
    """By the moment that the site signed, to a second."""
    folder, _ = coordinator
    assert site.coordinator is not None
    content = pack_facts(announcer(site).facts())
    for signed, ahead in ((1007.0, 7.0), (1007.9, 7.0), (950.0, -50.0)):
        headers = signed_headers(site.coordinator.key, FACTS_PATH, signed, content)
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        board = Board(folder, clock=lambda: 1000.0)
        note = board.admit(FACTS_PATH.encode(), sent)
        assert not isinstance(note, Refused) and note.ahead == ahead
        assert board.take(note, content) == '{"asked": []}'
        assert read_announced(folder)["north"].ahead == ahead
    kept = folder.facts / "north.json"
    older = {name: value for name, value in json.loads(kept.read_text()).items() if name != "ahead"}
    kept.write_text(json.dumps(older))
    assert read_announced(folder)["north"].ahead is None, "of a coordinator of an older version"
    forget(folder, "north")


def test_what_can_not_be_written_down_is_not_told(coordinator: tuple[Folder, int], site: SiteFile) -> None:
    """As on a full disk: a site that told something before says the same again, so that nobody calls it silent."""
    folder, _ = coordinator
    telling, log = announcer(site), site.state / "released.jsonl"
    log.mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        telling.announce()
    assert read_announced(folder) == {}
    log.rmdir()
    assert telling.announce() == 200
    before, told = read_announced(folder)["north"], log.read_text()
    log.unlink()
    log.mkdir()
    site.manifest.write_text("path,label,patient\nx.png,a,P1\n")
    assert telling.announce() == 200
    again = read_announced(folder)["north"]
    assert again.facts == before.facts and again.received > before.received
    log.rmdir()
    assert telling.announce() == 200 and '"kind": "files"' in log.read_text() and '"kind": "rows"' in told
    assert read_announced(folder)["north"].facts.kind == "files"


def test_the_site_s_file_decides_what_is_told(site: SiteFile) -> None:
    nothing = replace(site, announce=Announcement(columns=False, cases=False, room=False), allow=("lungs",))
    found = announcer(nothing).facts()
    assert (found.cases, found.columns, found.room, found.allow) == (None, None, None, ("lungs",))
    assert announcer(replace(site, keep="memory")).facts().room is None
    few = replace(site, release=replace(site.release, min_count=2000))
    assert announcer(few).facts().cases is None
    assert announcer(site).facts().classes is None and b"classes" not in pack_facts(announcer(site).facts())
    telling = replace(site, announce=Announcement(classes=True))
    assert announcer(telling).facts().classes == {"a": 610, "b": 610}, "617 each, to two figures"
    site.manifest.write_text(site.manifest.read_text() + "1,rare,P\n" * 4 + "1,,P\n" * 9)
    budget = replace(site, privacy=PrivacyBudget(epsilon=8.0))
    assert announcer(budget).facts().cases is None and announcer(site).facts().cases == 1200, "it has no noise"
    facts = announcer(telling).facts()
    assert facts.classes == {"a": 610, "b": 610} and unpack_facts(pack_facts(facts)) == facts, "4 are too few"


def test_a_manifest_that_changes_or_goes_is_looked_at_again(site: SiteFile) -> None:
    telling = announcer(site)
    assert telling.facts().kind == "rows"
    site.manifest.write_text("path,label,patient\nx.png,a,P1\n")
    assert (telling.facts().kind, telling.facts().cases) == ("files", None), "one line is fewer than min_count"
    site.manifest.write_text("label\n")
    assert telling.facts().kind is None
    site.manifest.unlink()
    assert telling.facts().kind is None


def test_while_it_is_connected_it_tells_again(coordinator: tuple[Folder, int], site: SiteFile) -> None:
    folder, _ = coordinator
    assert site.coordinator is not None

    def heard() -> float:
        return read_announced(folder)["north"].received if (folder.facts / "north.json").exists() else 0.0

    forget(folder, "north")
    with announcing(site, site.coordinator, every=0.01) as connected:
        assert heard() == 0.0, "not before it is connected"
        connected.set()
        until(lambda: heard() > 0.0)
        first = heard()
        until(lambda: heard() != first)


def test_the_answer_names_the_plans_of_runs_that_go_on(coordinator: tuple[Folder, int], site: SiteFile) -> None:
    folder, _ = coordinator
    (folder.root / "open").mkdir()
    for name in ("one", "two", "new"):
        out = folder.root / name
        out.mkdir()
        note = {"name": name, "run_id": "7", "out": str(out), "tries": 0, "round": -1}
        (folder.root / "open" / f"{name}.json").write_text(json.dumps(note))
        if name != "new":
            (out / "headline.json").write_text(json.dumps({"rounds": 3, "plan": f"digest of {name}"}))
    end(folder.root / "two", "it was stopped")
    before = time.time()
    assert read_asked(site.state) is None
    assert announcer(site).announce() == 200
    shutil.rmtree(folder.root / "open")
    found = read_asked(site.state)
    assert found is not None and found.plans == ("digest of one",) and before <= found.at <= time.time()


def test_refused_and_revoked_plans_are_told(site: SiteFile) -> None:
    asking, one, two = replace(site, approval="ask"), "1" * 64, "2" * 64
    assert b"refused" not in pack_facts(announcer(asking).facts()), "an older coordinator reads it"
    for what, plan in (("refused", one), ("approved", two), ("revoked", two), ("refused", one)):
        Decisions(asking).write(what, plan, "Dr A", {})
    facts = announcer(asking).facts()
    assert facts.refused == (two, one) and unpack_facts(pack_facts(facts)) == facts
    assert announcer(replace(site, approval="all")).facts().refused == ()
    Decisions(asking).write("approved", one, "Dr A", {})
    assert announcer(asking).facts().refused == (two,)


def test_what_is_decided_while_it_is_told_is_told_at_once(
    coordinator: tuple[Folder, int], site: SiteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, plan = coordinator[0], "3" * 64
    asking, really = replace(site, approval="ask"), Announcer.announce

    def announce(self: Announcer) -> int:
        status = really(self)
        if not Decisions(asking).lines():
            Decisions(asking).write("refused", plan, "Dr A", {})
        return status

    monkeypatch.setattr(Announcer, "announce", announce)
    assert asking.coordinator is not None
    with announcing(asking, asking.coordinator, every=3600) as connected:
        connected.set()
        until(lambda: "north" in read_announced(folder) and read_announced(folder)["north"].facts.refused == (plan,))


def test_strangers_and_what_is_not_signed_are_refused(coordinator: tuple[Folder, int], site: SiteFile) -> None:
    folder, _ = coordinator
    assert site.coordinator is not None
    board, content = Board(folder, lambda: 1e9), pack_facts(SiteFacts("1", 1, "rows"))

    def headers(now: float) -> list[tuple[bytes, bytes]]:
        assert site.coordinator is not None
        made = signed_headers(site.coordinator.key, FACTS_PATH, now, content)
        return [(name.encode(), value.encode()) for name, value in made.items()]

    note = board.admit(FACTS_PATH.encode(), headers(1e9))
    assert not isinstance(note, Refused)
    assert board.take(note, content + b" ") == Refused(400, "the content is not what was signed")
    assert board.take(note, content) == '{"asked": []}'
    assert isinstance(board.admit(FACTS_PATH.encode(), headers(1e9 - 301)), Refused), "a clock that is off"
    write_sites(folder, ())
    refused = board.admit(FACTS_PATH.encode(), headers(1e9))
    assert isinstance(refused, Refused) and refused.status == 401 and "only registered sites" in refused.text
    assert announcer(site).announce() == 401


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"fedgraft": "1", "wire": 1}',
        b'{"fedgraft": "1", "wire": 1, "kind": "rows", "more": 1}',
        b'{"fedgraft": "1", "wire": true, "kind": "rows"}',
        b'{"fedgraft": "1", "wire": 1, "kind": "dogs"}',
        b'{"fedgraft": "\\u001b[2J", "wire": 1, "kind": "rows"}',
        b'{"fedgraft": "1", "wire": 1, "kind": "rows", "cases": -1}',
        b'{"fedgraft": "1", "wire": 1, "kind": "rows", "columns": "age"}',
        b'{"fedgraft": "1", "wire": 1, "kind": "rows", "allow": ["a b"]}',
        b'{"fedgraft": "1", "wire": 1, "kind": "rows", "columns": ["' + b"a" * 201 + b'"]}',
    ],
)
def test_what_is_no_such_content_is_refused(content: bytes) -> None:
    with pytest.raises(WireError, match=r"facts of a site: .* is not usable"):
        unpack_facts(content)


def test_facts_come_back_as_they_were() -> None:
    facts = SiteFacts("0.2.0", 3, None, 120, ("Größe", "age"), 5_000_000_000, ("lungs.parts",))
    assert unpack_facts(pack_facts(facts)) == facts
    assert [rounded(n, 2) for n in (7, 99, 123, 98765)] == [7, 99, 120, 98000]


def test_rows_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("age,sex\n40,f\n41,m\n")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,row,label,patient\nvalues.csv,0,a,P0\nvalues.csv,1,b,P1\n")
    found = glance(manifest)
    assert (found.kind, found.lines, found.columns) == ("rows", 2, ("age", "label", "path", "patient", "row", "sex"))
    (tmp_path / "values.csv").unlink()
    assert glance(manifest).columns is None
    manifest.write_text("path,label,patient\n")
    with pytest.raises(DataError, match="lists no case"):
        glance(manifest)


def test_room_is_what_is_free_and_what_is_held(tmp_path: Path) -> None:
    before = room_of(tmp_path / "none" / "yet")
    (tmp_path / "held").write_bytes(bytes(3_000_000))
    assert abs(room_of(tmp_path) - before) < 1_000_000_000, "of the same disk, as far as others leave it alone"
