"""`fedgraft demo` from the command line: two hospitals, one round, over TLS; nothing is left running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .conftest import FEDGRAFT

SMALL = (
    "--sites",
    "2",
    "--cases",
    "40",
    "--rounds",
    "1",
    "backbone.name=test_efficientnet",
    "backbone.pretrained=false",
)


def test_the_demo_trains_a_model_and_ends(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    words = (*SMALL, "data.image_size=32", "decide.unseen=null")
    command = [sys.executable, *FEDGRAFT, "demo", "--folder", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "invited and registered: alder, birch",
        "all are connected",
        "completed; see",
        "the report: ",
        "the console of alder: http://127.0.0.1:",
    ):
        assert words in done.stdout
    assert "is a simulation's" not in done.stdout
    summary = json.loads((root / "run" / "summary.json").read_text())
    assert sorted(summary["sites"]) == ["alder", "birch"]
    assert summary["complete"] is True
    for name in summary["sites"]:
        assert (root / "sites" / name / "state" / "released.jsonl").is_file()
        assert "Traceback" not in (root / "logs" / f"{name}.log").read_text()
    for log in ("coordinator-console", "site-console"):
        assert (root / "logs" / f"{log}.log").read_text().startswith("console: http://127.0.0.1:")
    left = subprocess.run(["pgrep", "-f", str(root)], capture_output=True, text=True, check=False).stdout
    assert left == "", "a process was left"
