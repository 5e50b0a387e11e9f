"""docs/extending.md, run as it stands: its files become a package, and its command runs with them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
COMMAND = shlex.split(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)[0].replace("\\\n", " "))
LIGHT = ["backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "engine.threads=1"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder that holds the page's package."""
    files = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
    assert sorted(files) == ["ours/bias.py", "ours/loss.py", "ours/momentum.py", "ours/squares.py"]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "ours" / "__init__.py").write_text("", encoding="utf-8")
    return tmp_path


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "FEDGRAFT_CACHE": str(package / "cache"), "COLUMNS": "300"}
    command = [sys.executable, "-m", "fedgraft.common.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)


def test_the_pages_parts_train_together(package: Path) -> None:
    assert COMMAND[:2] == ["fedgraft", "simulate"]
    done = run(package, *COMMAND[1:], *LIGHT, f"hydra.run.dir={package / 'run'}")
    assert done.returncode == 0, done.stderr
    summary = json.loads((package / "run" / "summary.json").read_text(encoding="utf-8"))
    assert sorted(summary["sites"]) == ["hospital-0", "hospital-1", "hospital-2"]
    assert summary["dropped"] == []


def test_a_package_that_is_not_allowed_is_not_imported(package: Path) -> None:
    words = [word for word in COMMAND[1:] if not word.startswith("engine.allow")]
    done = run(package, *words, *LIGHT, f"hydra.run.dir={package / 'run'}")
    assert done.returncode == 2
    for option, target in (("data", "ours.squares.squares"), ("loss", "ours.loss.Poly1")):
        assert f"{option}._target_={target} is not in an allowed package (fedgraft)" in done.stderr
    assert "strategy._target_=ours.momentum.HalfWay is not in an allowed package (fedgraft, flwr" in done.stderr


def test_the_plan_shows_the_new_layers(package: Path) -> None:
    done = run(package, "plan", *COMMAND[2:], *LIGHT)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"adapters blocks\.\d +│ +shared +│ +1 ", done.stdout)) == 2
