"""A program of several commands: its help, wrong words, and that only the command that is called is imported."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from fedgraft.client.cli import PROGRAM as SITE
from fedgraft.client.cli import WITHOUT_SITE
from fedgraft.common.commands import Program, run_program
from fedgraft.server.cli import PROGRAM as COORDINATOR

HEAVY = {
    "audit",
    "contributions",
    "check",
    "join",
    "rekey",
    "leave",
    "review",
    "case",
    "report",
    "fetch",
    "evaluate",
    "run",
    "publish",
    "evaluations",
    "pending",
}
"""Commands that open models, plans or cases."""
LOADED = """
import importlib, sys
for module in {!r}:
    importlib.import_module(module)
    print(*[f"{{module}} imports {{name}}" for name in ("torch", "timm", "sklearn") if name in sys.modules], end="")
"""
PROGRAMS = pytest.mark.parametrize("program", [SITE, COORDINATOR], ids=["site", "coordinator"])


def code_of(program: Program, *words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run_program(program, words)
    return int(ended.value.code or 0)


@PROGRAMS
def test_help_lists_every_command_with_a_line(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(program, "--help") == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {program.name}")
    assert {*program.commands} <= {line.split()[0] for line in told.splitlines() if line.startswith("    ")}
    assert program.epilog.splitlines()[-1] in told


@PROGRAMS
@pytest.mark.parametrize(("words", "said"), [(["nope"], "invalid choice: 'nope'"), ([], "required"), (["--x"], "")])
def test_wrong_words_end_with_code_2(
    program: Program, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(program, *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "word"),
    [(program, word) for program in (SITE, COORDINATOR) for word in program.commands],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_command_has_a_help_that_says_what_it_does(
    program: Program, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(program, word, "--help") == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {program.name} {word}")
    described = import_module(program.commands[word][0]).DESCRIPTION
    assert " ".join(described.split()) in " ".join(told.split())
    assert ("--site SITE" in told) == (
        (program is SITE and word not in WITHOUT_SITE) or (word == "start" and program is SITE)
    )


@pytest.mark.processes
def test_what_stays_or_is_typed_often_does_not_import_torch() -> None:
    """What ``site start`` and ``coordinator start`` import stays in memory all day; torch alone is 300 MB."""
    light = [
        module for program in (SITE, COORDINATOR) for word, (module, _) in program.commands.items() if word not in HEAVY
    ]
    done = subprocess.run([sys.executable, "-c", LOADED.format(light)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr + done.stdout
