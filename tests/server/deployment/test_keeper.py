"""Which runs are submitted again, which are forgotten, and which are given up. Flower's command is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import CheckpointError, DeploymentError
from fedgraft.common.runtime.run_lock import LOCK, is_free, run_lock
from fedgraft.server.deployment import flower_cli, launch
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.following import without_tracebacks
from fedgraft.server.deployment.keeper import START_SECONDS, TRIES, Keeper
from fedgraft.server.deployment.open_runs import ENDED, PLAN, OpenRun, end, of_folder, open_runs, submit, why_ended


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The configurations that Flower was given, and which runs it was asked to stop."""
    calls: list[str] = []

    def submit_(folder: Folder, bundle: Path, config: Path) -> str:
        calls.append(config.read_text())
        return f"id-{len(calls)}"

    monkeypatch.setattr(flower_cli, "submit", submit_)
    monkeypatch.setattr(flower_cli, "stop_run", lambda folder, run: calls.append(f"stop {run}"))
    monkeypatch.setattr(flower_cli, "require_running", lambda folder: None)
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
    assert submitted == [f'plan = "the plan"\nout = "{out}"\nresume = ""\nextend = ""\n']
    keeper = Keeper(folder)
    with run_lock(out):
        keeper.look()
        assert len(submitted) == 1, "its process is there"
    checkpoint(out, 4)
    keeper.look()
    assert submitted[1:] == ["stop id-1", f'plan = "the plan"\nout = "{out}"\nresume = "yes"\nextend = ""\n']
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


def test_a_log_without_tracebacks_says_what_happened() -> None:
    log = [
        "round 1\n",
        "Traceback (most recent call last):\n",
        "  File x\n",
        "\n",
        "    y()\n",
        "RoundError: why\n",
        "  a\n",
    ]
    assert list(without_tracebacks(log)) == ["round 1\n", "RoundError: why\n", "  a\n"]
