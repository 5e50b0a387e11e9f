"""The `fedgraft` command: help, version, exit codes, and the shell's completion hook."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fedgraft.common import cli

pytestmark = pytest.mark.processes

LOCAL = (
    "audit",
    "augment",
    "backbone",
    "clock",
    "demo",
    "embed-classes",
    "export",
    "plan",
    "predict",
    "report",
    "simulate",
    "unseen",
)
COMMANDS = (*LOCAL, "site", "coordinator")
SCRIPT = Path(sys.executable).with_name("fedgraft")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path


def exit_code(*arguments: str) -> int:
    """What the shell would see; Hydra ends the process itself when an override is wrong."""
    try:
        return cli.main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert cli.main([flag]) == 0
    told = capsys.readouterr().out
    assert told.startswith("usage: fedgraft COMMAND")
    assert all(f"  {command} " in told for command in COMMANDS)
    assert "completion" in told


def test_without_a_command_the_usage_is_shown_and_the_exit_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: fedgraft COMMAND" in capsys.readouterr().out


def test_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fedgraft {version('fedgraft')}\n"


@pytest.mark.parametrize("word", ["simulat", "train", "--frob", ""])
def test_an_unknown_command_is_named_and_the_known_ones_listed(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert cli.main([word]) == 2
    captured = capsys.readouterr()
    assert f"there is no command {word!r}" in captured.err
    assert all(command in captured.err for command in COMMANDS)
    assert captured.out == ""


def test_a_user_s_error_is_shown_without_a_traceback(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("plan", "rounds=0", "train.lr=-1") == 2
    told = capsys.readouterr().err
    assert told.startswith("fedgraft plan: the plan has 2 problems:")
    assert "rounds=0" in told
    assert "train.lr=-1" in told
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(("override", "named"), [("bogus=1", "bogus"), ("head=nope", "there is no such head")])
@pytest.mark.usefixtures("elsewhere")
def test_an_override_that_does_not_compose_is_an_error(
    capsys: pytest.CaptureFixture[str], override: str, named: str
) -> None:
    assert exit_code("plan", override) == 2
    told = capsys.readouterr().err
    assert named in told
    assert "Traceback" not in told


@pytest.mark.parametrize("command", ["simulate", "plan"])
@pytest.mark.parametrize("arguments", [("--cfg", "job", "rounds=3"), ("rounds=3", "--cfg", "job")])
@pytest.mark.usefixtures("elsewhere")
def test_hydra_s_flags_go_before_or_after_overrides(
    capsys: pytest.CaptureFixture[str], command: str, arguments: tuple[str, ...]
) -> None:
    assert exit_code(command, *arguments) == 0
    assert "rounds: 3" in capsys.readouterr().out


@pytest.mark.usefixtures("elsewhere")
def test_a_sweep_of_plans_reports_every_wrong_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("plan", "-m", "rounds=0,-1") == 2
    told = capsys.readouterr().err
    assert "2 runs of the sweep failed" in told
    assert "rounds=0" in told
    assert "rounds=-1" in told


def proposed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert exit_code("-sc", "query=bash") == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize("line", ["fedgraft ", "fedgraft si"])
def test_the_commands_are_proposed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert set(COMMANDS) >= set(proposed(line, monkeypatch, capsys)) >= {"simulate", "site"}


@pytest.mark.parametrize("command", ["simulate", "plan"])
def test_hydra_proposes_groups_and_their_choices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert proposed(f"fedgraft {command} head=", monkeypatch, capsys) == [
        f"head={name}" for name in ("attention", "cosine", "embeddings", "linear", "mlp", "plain", "projected")
    ]


def test_nothing_is_proposed_for_what_hydra_does_not_compose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert proposed("fedgraft coordinator ", monkeypatch, capsys) == []


def test_bash_completes_with_the_hook_as_the_usage_says(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The hook that `fedgraft simulate -sc install=bash` prints, in a real shell, asking the installed command."""
    assert exit_code("simulate", "-sc", "install=bash") == 0
    hook = capsys.readouterr().out
    ask = 'COMP_LINE="fedgraft simulate strategy=fedp" COMP_CWORD=2; hydra_bash_completion; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{hook}\n{ask}"],
        cwd=elsewhere,
        env={**os.environ, "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["strategy=fedprox"], done.stderr


def test_small_matrices_are_left_to_one_thread_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert cli.main(["report", "nowhere"]) == 2
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert cli.main(["report", "nowhere"]) == 2
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
