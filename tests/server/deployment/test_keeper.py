"""Which runs are submitted again, which are forgotten, and which are given up. Flower's command is replaced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from fedgraft.common.errors import CheckpointError, DeploymentError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.run_lock import LOCK, is_free, run_lock
from fedgraft.common.wire.site_facts import WIRE, SiteFacts, pack_facts
from fedgraft.server import cli
from fedgraft.server.commands import run as run_command
from fedgraft.server.deployment import launch, orders
from fedgraft.server.deployment.folder import LEFT_OUT, Folder, RegisteredSite, write_sites
from fedgraft.server.deployment.following import _what_there_is, for_people
from fedgraft.server.deployment.keeper import PROBE, START_SECONDS, TRIES, Keeper
from fedgraft.server.deployment.open_runs import (
    ENDED,
    OPEN_RUNS,
    PLAN,
    OpenRun,
    end,
    of_folder,
    open_runs,
    place_of,
    submit,
    why_ended,
)
from fedgraft.server.deployment.public.announced import Board, Note


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The configurations that Flower was given, and which runs it was asked to stop."""
    calls: list[str] = []

    def submit_(folder: Folder, bundle: Path, config: Path) -> str:
        calls.append(config.read_text())
        return f"id-{len(calls)}"

    monkeypatch.setattr(orders, "submit", submit_)
    monkeypatch.setattr(orders, "stop_run", lambda folder, run: calls.append(f"stop {run}"))
    monkeypatch.setattr(orders, "require_running", lambda folder: None)
    return calls


@pytest.fixture
def begun(submitted: list[str], tmp_path: Path) -> tuple[Folder, Path]:
    """A coordinator's folder with one open run."""
    folder, out = Folder(tmp_path / "coordinator"), tmp_path / "out"
    folder.root.mkdir()
    out.mkdir()
    (out / PLAN).write_text("the plan")
    submit(folder, "first", out, resume=False)
    return folder, out


def checkpoint(out: Path, number: int) -> None:
    (out / "checkpoint").mkdir(exist_ok=True)
    (out / "checkpoint" / f"{number:06}.safetensors").touch()


def test_a_run_that_was_cut_off_is_submitted_again_under_its_name(
    begun: tuple[Folder, Path], submitted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = begun
    assert submitted == ['plan = "the plan"\nrun = "first"\nresume = ""\nextend = ""\n']
    keeper = Keeper(folder)
    with run_lock(out):
        keeper.look()
        assert len(submitted) == 1, "its process is there"
    checkpoint(out, 4)
    keeper.look()
    assert submitted[1:] == ["stop id-1", 'plan = "the plan"\nrun = "first"\nresume = "yes"\nextend = ""\n']
    assert of_folder(folder, out) == OpenRun("first", "id-3", str(out), 0, 4)
    assert "run id-1 was cut off after round 4; it goes on as run id-3" in capsys.readouterr().out


def test_a_run_that_has_ended_is_forgotten(begun: tuple[Folder, Path], submitted: list[str]) -> None:
    folder, out = begun
    (out / LOCK).touch()
    end(out, "too few sites")
    assert why_ended(out) == "too few sites"
    Keeper(folder).look()
    assert (list(open_runs(folder)), len(submitted)) == ([], 1)


def test_a_complete_run_is_forgotten(begun: tuple[Folder, Path], submitted: list[str]) -> None:
    folder, out = begun
    (out / LOCK).touch()
    (out / "checkpoint").mkdir()
    (out / "checkpoint" / "complete").touch()
    Keeper(folder).look()
    assert (list(open_runs(folder)), len(submitted)) == ([], 1)


def test_without_progress_it_is_given_up(
    begun: tuple[Folder, Path], submitted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = begun
    keeper = Keeper(folder)
    for _ in range(TRIES + 1):
        (out / LOCK).touch()
        keeper.look()
    assert list(open_runs(folder)) == []
    assert json.loads((out / ENDED).read_text())["reason"] == (
        "the coordinator's process of the run ended 6 times in the same round"
    )
    assert "what there is is in" in capsys.readouterr().out


def test_while_its_folder_can_not_be_written_to_a_run_waits(
    begun: tuple[Folder, Path], submitted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As with a full disk: it says so once, and that costs none of the run's tries."""
    folder, out = begun
    (out / LOCK).touch()
    keeper = Keeper(folder)
    (out / PROBE).mkdir()  # in the way, also of an account that may do everything
    for _ in range(TRIES + 3):
        keeper.look()
    assert len(submitted) == 1
    said = capsys.readouterr().out
    assert said == f"run id-1 was cut off, and goes on once {out} can be written to again: Is a directory\n"
    (out / PROBE).rmdir()
    keeper.look()
    assert submitted[1] == "stop id-1" and len(submitted) == 3 and not (out / PROBE).exists()
    assert of_folder(folder, out) == OpenRun("first", "id-3", str(out), 1, -1)


def test_one_that_never_got_a_process_is_submitted_again(begun: tuple[Folder, Path], submitted: list[str]) -> None:
    """The coordinator may have been up for long when it was submitted."""
    folder, _ = begun
    now = [0.0]
    keeper = Keeper(folder, lambda: now[0])
    for now[0] in (1000.0, 1000.0 + START_SECONDS):
        keeper.look()
        assert len(submitted) == 1
    now[0] += 1
    keeper.look()
    assert len(submitted) == 3


def test_resume_says_why_it_can_not(begun: tuple[Folder, Path], submitted: list[str], tmp_path: Path) -> None:
    folder, out = begun
    with pytest.raises(
        DeploymentError, match=r"is not the folder of a run that `coordinator run` began \(no submitted"
    ):
        launch.relaunch(folder, tmp_path)
    with pytest.raises(DeploymentError, match="the run is going on; nothing was submitted"):
        launch.relaunch(folder, out)
    end(out, "stopped")
    assert launch.relaunch(folder, out).run_id == "id-2"
    assert why_ended(out) is None
    (out / "checkpoint").mkdir()
    (out / "checkpoint" / "complete").touch()
    with pytest.raises(DeploymentError, match="the run is complete; there is nothing to resume"):
        launch.relaunch(folder, out)
    launch.relaunch(folder, out, extend=10)
    assert submitted[-1].endswith('resume = "yes"\nextend = "10"\n')
    end(out, "stopped")
    with pytest.raises(DeploymentError, match="--extend is for a run that is complete"):
        launch.relaunch(folder, out, extend=10)


def test_a_run_is_named_to_sites_and_found_by_its_coordinator(begun: tuple[Folder, Path]) -> None:
    """Flower gives a run's configuration to its nodes: no path of this machine is in it."""
    folder, out = begun
    here = {OPEN_RUNS: str(folder.root / "open")}
    assert place_of({"run": "first"}, here) == out
    assert place_of({"out": "of a simulation"}, {}) == Path("of a simulation")
    for config, environment in (({"run": "first"}, {}), ({"run": "second"}, here), ({}, here)):
        with pytest.raises(DeploymentError, match="names no run of this coordinator; start it with fedgraft coord"):
            place_of(config, environment)


def test_a_run_goes_on_only_with_sites_that_its_plan_fits(
    begun: tuple[Folder, Path], submitted: list[str], compose_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """North has a table now, south had one before: that one was left out from the beginning."""
    folder, out = begun
    end(out, "stopped")
    (out / PLAN).write_text(compose_plan().for_hospitals().to_json())
    (out / LEFT_OUT).write_text('{"8": "south"}')
    nodes = {"7": "north", "8": "south", "9": "west"}
    write_sites(folder, tuple(RegisteredSite(name, node, f"SHA256:{name}") for node, name in nodes.items()))
    for node, name in nodes.items():
        facts = SiteFacts(version("fedgraft"), WIRE, "files" if node == "9" else "rows", 100)
        content = pack_facts(facts)
        Board(folder).take(Note(name, hashlib.sha256(content).hexdigest()), content)
    monkeypatch.setattr(orders, "node_states", lambda folder: dict.fromkeys(nodes, "online"))
    monkeypatch.setattr(run_command, "follow_in_its_place", lambda folder, launched: 0)
    words = ["run", str(folder.root), "--resume", str(out)]
    with pytest.raises(
        DeploymentError, match=r"(?s)the plan does not fit 1 site\(s\)\n.*north .*an image, of its manifest a row"
    ):
        cli.main(words)
    assert len(submitted) == 1
    assert cli.main([*words, "--anyway"]) == 0
    assert (len(submitted), json.loads((out / LEFT_OUT).read_text())) == (2, {"8": "south", "7": "north"})


def test_a_folder_has_one_process(tmp_path: Path, again: Callable[[], None]) -> None:
    assert is_free(tmp_path)
    with run_lock(tmp_path):
        assert not is_free(tmp_path)
        with pytest.raises(CheckpointError, match=r"process \d+ runs what is in .*; wait for its end"):
            again()
    assert is_free(tmp_path)


@pytest.fixture
def again(tmp_path: Path) -> Callable[[], None]:
    def hold() -> None:
        with run_lock(tmp_path):
            pass

    return hold


def test_what_there_is_of_a_run_that_ended_early(tmp_path: Path) -> None:
    assert _what_there_is(tmp_path) == "it ended before its first round did; there are no results"
    checkpoint(tmp_path, 0)
    assert _what_there_is(tmp_path).endswith("there are no results"), "the untrained model"
    checkpoint(tmp_path, 1)
    assert _what_there_is(tmp_path) == f"the results of the rounds before are in {tmp_path}"


def test_a_log_for_people_says_what_happened() -> None:
    log = [
        "INFO :      configure_train: Sampled 2 nodes (out of 2)\n",
        "INFO :      \n",
        "Successfully installed fedgraft-plan to /x/apps.\n",
        "WARNING :   this is deprecated\n",
        "Using SuperLink: link (127.0.0.1:8444)\n",
        "round 1\n",
        "ERROR :     ServerApp raised an exception\n",
        "Traceback (most recent call last):\n",
        "  File x\n",
        "\n",
        "    y()\n",
        "RoundError: why\n",
        "  a\n",
        "ERROR :     Exit Code: 201\n",
        "An unhandled exception occurred in the ServerApp.\n",
        "For more information, visit: <https://flower.ai/docs/framework/1.42/en/ref-exit-codes/201.html>\n",
    ]
    assert list(for_people(log)) == ["WARNING :   this is deprecated\n", "round 1\n", "RoundError: why\n", "  a\n"]
