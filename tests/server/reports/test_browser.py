"""The page in a real browser: no error and no request."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.server.reports.documents import write_documents

Made = Callable[..., Path]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

ITSELF = "not an origin"
"""Who asked, in the browser's log, if the browser itself did and no page; a page of a file is ``null``."""


@pytest.mark.processes
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("study", [False, True])
def test_a_browser_opens_it_without_an_error_or_a_request(
    run_folder: Made, study_folder: Path, tmp_path: Path, study: bool
) -> None:
    report = write_documents(study_folder if study else run_folder())[0]
    log = tmp_path / "requests.json"
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-component-update", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr",
        f"--log-net-log={log}",
        "--dump-dom",
        report.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "</html>" in done.stdout and "Before you rely on it" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    starts = {str(event.get("params", {}).get("initiator", ITSELF)) for event in events}
    asked = starts - {ITSELF}
    assert asked == set(), "the page asked for something"
