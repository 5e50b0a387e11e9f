"""Where FedGraft runs. As on Windows: the modules that it lacks can't be imported, and the platform says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

AS_ON_WINDOWS = """
import sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
from fedgraft.common.cli import main
import fedgraft
sys.platform = "win32"
"""
SAID = "FedGraft runs on Linux and macOS"
WHAT_TO_DO = "install it in the Windows Subsystem for Linux (WSL 2), or use the container (docs/containers.md)"


def run(code: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", AS_ON_WINDOWS + code]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_are_shown_on_windows(word: str) -> None:
    done = run(f"sys.exit(main([{word!r}]))")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fedgraft" in done.stdout


def test_a_command_says_on_windows_where_it_runs() -> None:
    done = run("sys.exit(main(['site', 'check']))")
    assert done.returncode == 2
    assert done.stderr.startswith(f"fedgraft site: {SAID}") and WHAT_TO_DO in done.stderr
    assert "Traceback" not in done.stderr


def test_python_says_on_windows_where_it_runs() -> None:
    done = run("fedgraft.plan")
    assert done.returncode == 1
    assert f"DeploymentError: {SAID}" in done.stderr and WHAT_TO_DO in done.stderr
