"""`fedgraft predict`, killed while it has pixels on disk: none stay."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fedgraft as fg
from fedgraft.client.prediction.command import SCRATCH
from fedgraft.common.cli import main
from fedgraft.common.runtime.scratch import remove_left_over

from .test_predict import SMALL


def manifest_of(folder: Path, name: str, files: list[Path], times: int) -> Path:
    """A manifest of links to files, each ``times`` times under another name."""
    (folder / name).mkdir(parents=True)
    rows = []
    for number in range(times):
        for file in files:
            rows.append([str(folder / name / f"{number}-{file.name}")])
            os.link(file, rows[-1][0])
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["path"], *rows])
    return folder / f"{name}.csv"


@pytest.mark.processes
def test_no_pixels_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    run, out = fg.simulate(fg.plan(**SMALL), tmp_path / "run", quiet=True), tmp_path / "out"
    files = sorted((tmp_path / "cache").rglob("*.dcm"))[:20]
    many, few = (manifest_of(tmp_path / "new", name, files, times) for name, times in (("many", 50), ("few", 1)))
    out.mkdir()

    def arguments(manifest: Path) -> list[str]:
        return ["predict", str(run.out), "--manifest", str(manifest), "--out", str(out / "out.csv")]

    command = [sys.executable, "-m", "fedgraft.common.cli", *arguments(many)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(file.stat().st_size for folder in out.glob(f"{SCRATCH}*") for file in folder.rglob("kept/*/*")):
        assert process.poll() is None, "it ended before it had pixels"
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (left,) = out.glob(f"{SCRATCH}*")
    assert any(left.rglob("kept/*/*"))
    assert main(arguments(few)) == 0
    while left.exists():  # a reader of the killed process lives on for a second, and holds its lock
        remove_left_over(out, SCRATCH)
    assert [path.name for path in out.iterdir()] == ["out.csv"]
