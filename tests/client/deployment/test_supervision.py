"""A site's two programs are watched, flagged, started again, and given up."""

import json
import sys
import threading
from pathlib import Path

import pytest

from fedgraft.client.deployment import news, supervisor
from fedgraft.client.deployment.connection import Reach
from fedgraft.client.deployment.signals import Beat, Life, beating
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.common.runtime.files import append_json
from fedgraft.common.runtime.only_one import only_one
from fedgraft.common.runtime.processes import Program


def test_it_tries_again_and_then_gives_up(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(False, False, "it is away"))
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "REMINDER_SECONDS", 0.2)
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(
            site, coordinator, Path("site.yaml"), 0.5, threading.Event(), holder, threading.Event()
        )
        assert run.run() == 1
    first, *more, last = capsys.readouterr().out.splitlines()
    assert 1 <= len(more) <= 2 and {first, *more} == {"site north: it is away; trying again every 0 s"}
    assert last == "site north: giving up: it is away"


def test_a_supernode_that_does_nothing_is_flagged_and_started_again(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It connects, gives no sign of life for a while, gives one, and no other; its place is taken by one that ends."""
    words = [json.dumps(one) + "\n" for one in ({"connected": True}, {"alive": True})]
    telling = (
        "import os, pathlib, time\n"
        "def tell(word): os.write(int(os.environ['FEDGRAFT_TELLING']), word)\n"
        "if pathlib.Path('second').exists(): raise SystemExit(2)\n"
        "pathlib.Path('second').touch()\n"
        f"tell({words[0].encode()!r})\n"
        "while not pathlib.Path('flagged').exists(): time.sleep(0.01)\n"
        f"tell({words[1].encode()!r})\ntime.sleep(600)"
    )
    node = Program("supernode", (sys.executable, "-c", telling), {}, tmp_path / "supernode.log", tmp_path)
    idle = Program("executor", (sys.executable, "-c", "import time; time.sleep(600)"), {}, tmp_path / "e.log", tmp_path)
    clock, connected = [0.0], threading.Event()
    seen: list[bool] = []

    def wind(told: str) -> None:
        """Time passes with what is said."""
        seen.append(connected.is_set())
        if "waiting for runs" in told:
            clock[0] = 31.0
        elif "does nothing; until" in told:
            (tmp_path / "flagged").touch()
        elif "works again" in told:
            clock[0] += 301.0
        print(told)

    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(True, False, ""))
    monkeypatch.setattr(supervisor, "supernode_program", lambda *_: node)
    monkeypatch.setattr(supervisor, "executor_program", lambda *_: idle)
    monkeypatch.setattr(supervisor, "Life", lambda **given: Life(lambda: clock[0], **given))
    monkeypatch.setattr(supervisor, "say", wind)
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.01)
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(site, coordinator, Path("x"), 60.0, threading.Event(), holder, connected)
        assert run.run() == 1
    said = [line.removeprefix("site north: ") for line in capsys.readouterr().out.splitlines()]
    assert said[:3] == [
        "connected to localhost:1; waiting for runs",
        "the SuperNode does nothing; until it does, the coordinator hears nothing of this site",
        "the SuperNode works again",
    ]
    assert seen[:3] == [True, False, True], "whether the coordinator is told that the site is there"
    assert said[3].startswith("the SuperNode does nothing, and is started again; trying again")


def test_an_executor_that_stands_still_is_flagged_and_its_place_taken(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It gives one sign of life and is stopped (SIGSTOP); the SuperNode goes on, and is told that nobody works any more
    on the message."""
    alive = json.dumps({"alive": True}).encode() + b"\n"
    telling = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: pathlib.Path('nobody works').touch())\n"
        f"os.write(int(os.environ['FEDGRAFT_TELLING']), {json.dumps({'connected': True}).encode()!r} + b'\\n')\n"
        f"while True: os.write(int(os.environ['FEDGRAFT_TELLING']), {alive!r}); time.sleep(0.01)"
    )
    standing = (
        "import os, pathlib, signal, time\n"
        "first = not pathlib.Path('second').exists()\n"
        "pathlib.Path('second').touch()\n"
        "first or pathlib.Path('still').unlink()\n"
        f"os.write(int(os.environ['FEDGRAFT_TELLING']), {alive!r})\n"
        "if first: pathlib.Path('still').touch(); os.kill(os.getpid(), signal.SIGSTOP)\n"
        "while not pathlib.Path('nobody works').exists(): time.sleep(0.01)\n"
        "pathlib.Path('over').touch(); time.sleep(600)"
    )
    node = Program("supernode", (sys.executable, "-c", telling), {}, tmp_path / "supernode.log", tmp_path)
    executor = Program("executor", (sys.executable, "-c", standing), {}, tmp_path / "executor.log", tmp_path)
    seconds, connected, stopping, seen = [0.0], threading.Event(), threading.Event(), list[bool]()

    def clock() -> float:
        """Time passes while the executor stands still, until another has its place."""
        seconds[0] += 2.0 if (tmp_path / "still").exists() else 0.0
        if (tmp_path / "over").exists():
            stopping.set()
        return seconds[0]

    def hear(told: str) -> None:
        seen.append(connected.is_set())
        print(told)

    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(True, False, ""))
    monkeypatch.setattr(supervisor, "supernode_program", lambda *_: node)
    monkeypatch.setattr(supervisor, "executor_program", lambda *_: executor)
    monkeypatch.setattr(supervisor, "Life", lambda **given: Life(clock if given else lambda: 0.0, **given))
    monkeypatch.setattr(supervisor, "say", hear)
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(site, coordinator, Path("x"), 60.0, stopping, holder, connected)
        assert run.run() == 0
    said = [line.removeprefix("site north: ") for line in capsys.readouterr().out.splitlines()]
    assert said[:2] == [
        "connected to localhost:1; waiting for runs",
        "the executor does nothing; until it does, the coordinator hears nothing of this site",
    ]
    assert said[2].startswith("the executor does nothing; starting it again (log: ")
    assert said[3:] == ["the executor works again", "stopped"]
    assert seen[:4] == [True, False, False, True], "whether the coordinator is told that the site is there"


def test_signs_of_life_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in five seconds; of none since the first the supervisor knows after 30 s."""
    told: list[dict[str, bool]] = []
    monkeypatch.setattr("fedgraft.client.deployment.signals.tell", told.append)
    clock = [0.0]
    beat, life = Beat(lambda: clock[0]), Life(lambda: clock[0])
    for clock[0] in (0.0, 1.0, 4.9, 5.0, 9.0, 10.0):
        beat()
    assert told == [{"alive": True}] * 3
    clock[0] = 1000.0
    assert not life.is_quiet, "it has not begun to work"
    life.heard()
    for clock[0], expected in ((1030.0, (False, False)), (1031.0, (True, False)), (1301.0, (True, True))):
        assert (life.is_quiet, life.is_stalled) == expected


def test_what_takes_long_is_alive() -> None:
    """As the start of the first message's process is, with all its imports."""
    beats = threading.Semaphore(0)
    with beating(beats.release, every=0.001):
        assert beats.acquire(timeout=60) and beats.acquire(timeout=60)


def test_an_executor_that_keeps_ending_is_named(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def program(name: str, code: str) -> Program:
        return Program(name, (sys.executable, "-c", code), {}, tmp_path / f"{name}.log", tmp_path)

    told = (
        {"connected": True},
        {"failed": "disk-full", "what": "train"},
        {"failed": "disk-full", "what": "train"},
        {"failed": "bounds", "what": "query.prepare"},
        {"failed": "unapproved", "what": "query.prepare"},
        {"link": False},
        {"link": True},
    )
    (site.state / "pending").mkdir(parents=True)
    append_json(site.state / "errors.jsonl", {"code": "bounds", "said": "train.lr=50 is above bounds.rate=10"})
    (site.state / "pending" / f"{'ab' * 32}.json").write_text('{"backbone": {"name": "resnet"}, "rounds": 3}')
    lines = "".join(json.dumps(one) + "\n" for one in told).encode()
    node = program(
        "supernode",
        "import os, pathlib, signal, time; signal.signal(signal.SIGUSR1, lambda *_: None); "
        f"os.write(int(os.environ['FEDGRAFT_TELLING']), {lines!r}); pathlib.Path('told').touch(); time.sleep(600)",
    )
    ending = "import pathlib, time\nwhile not pathlib.Path('told').exists(): time.sleep(0.01)\nraise SystemExit(2)"
    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(True, False, ""))
    monkeypatch.setattr(supervisor, "supernode_program", lambda *_: node)
    monkeypatch.setattr(supervisor, "executor_program", lambda *_: program("executor", ending))
    monkeypatch.setattr(news, "LOOK_SECONDS", 0.0)
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(
            site, coordinator, Path("site.yaml"), 60.0, threading.Event(), holder, threading.Event()
        )
        assert run.run() == 1
    said = capsys.readouterr().out
    failed = "a message of a run (train) failed: `disk-full`: free space on the disk of the site's state folder"
    assert said.count(failed) == 1, "the same is not said again"
    assert "failed: `bounds`: the plan, or a message, asks for more than `bounds` in site.yaml allows" in said
    assert "(train.lr=50 is above bounds.rate=10)" in said
    assert "`unapproved`" not in said, "it is no failure: the plan that waits is said"
    assert said.count("plan abababab (resnet, 3 rounds) waits for a person here: fedgraft site review abababab") == 1
    assert "the connection broke off; trying again every 2 s\nsite north: connected again to localhost:1" in said
    assert "connected to localhost:1; waiting for runs" in said
    assert "giving up: the executor keeps ending; its log is" in said
