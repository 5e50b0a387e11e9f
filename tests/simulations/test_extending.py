"""docs/extending.md, run as it stands: its files become a package, and its command runs with them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedgraft.common import tensors

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
COMMAND, SIGNALS = (
    shlex.split(text.replace("\\\n", " ")) for text in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
)
LIGHT = ["backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "engine.threads=1"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder that holds the page's package."""
    files = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
    signals, *others = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    files["ours/conf/input/signals.yaml"] = signals  # whole: its first line counts
    assert not others and "# ours/conf/input/signals.yaml: " in signals
    names = ("bias.py", "conf/input/signals.yaml", "head.py", "loss.py", "momentum.py", "pulses.py")
    more = ("signal_factory.py", "signals.py", "squares.py")
    assert sorted(files) == [f"ours/{name}" for name in (*names, *more)]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "ours" / "__init__.py").write_text("", encoding="utf-8")
    return tmp_path


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "FEDGRAFT_CACHE": str(package / "cache"), "COLUMNS": "300"}
    command = [sys.executable, "-m", "fedgraft.common.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=package)


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


def test_signals_are_a_third_kind_of_input(package: Path) -> None:
    """Three hospitals learn to see the pulse; a site's check finds a damaged signal and one that is too short."""
    folder = package / "cache" / "pulses-0-90"
    words = [*SIGNALS[1:], "engine.threads=1"]
    done = run(package, *words, f"hydra.run.dir={package / 'run'}")
    assert done.returncode == 0, done.stderr
    summary = json.loads((package / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["test"]["auroc"] == 1.0
    assert sorted(summary["sites"]) == ["hospital-0", "hospital-1", "hospital-2"]
    shared = tensors.load(package / "run" / "model" / "model.safetensors")
    assert shared["backbone.0.0.weight"].shape == (8, 2, 5)
    site = package / "run" / "sites" / "hospital-0"
    (folder / "0.npy").write_bytes(b"nothing")
    np.save(folder / "3.npy", np.zeros((2, 63), np.float32))
    checked = run(package, "site", "check", "--site", str(site / "site.yaml"))
    assert checked.returncode == 0, checked.stderr
    assert "1 of 30 signals: the file is cut off" in checked.stdout
    assert "1 of 30 signals: lengths, shapes or values contradict each other" in checked.stdout
    assert "28 of 30 signals can be used" in checked.stdout
    assert "read a signal, once" in checked.stdout


def test_what_has_no_meaning_for_signals_is_said_by_their_kind(package: Path) -> None:
    words = [*SIGNALS[2:], "augment=mild", "harmonise=histogram"]
    done = run(package, "plan", *words)
    assert done.returncode == 2
    assert "augment.views above 1 has no meaning for signals; use augment=none" in done.stderr
    assert "harmonise is for images; use harmonise=none" in done.stderr
    table = "+table={numeric: [age], categorical: [], missing: [], indicate_missing: false, statistics: federated, "
    done = run(package, "plan", *SIGNALS[2:], table + "min_count: 5}")
    assert "table has no effect with input._target_=ours.signals.Signals; remove one of them" in done.stderr


def test_the_plan_of_signals_says_what_is_kept(package: Path) -> None:
    done = run(package, "plan", *SIGNALS[2:], "backbone.freeze=stem")
    assert done.returncode == 0, done.stderr
    assert "input: 2 x 64; 16 features; stages: stem, 1" in done.stdout
