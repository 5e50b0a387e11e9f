"""The page in a real browser: no error and no request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.server.reports.documents import write_documents

from ...browser import chromium, needed

Made = Callable[..., Path]


@pytest.mark.processes
@needed
@pytest.mark.parametrize("study", [False, True])
def test_a_browser_opens_it_without_an_error_or_a_request(
    run_folder: Made, study_folder: Path, tmp_path: Path, study: bool
) -> None:
    report = write_documents(study_folder if study else run_folder())[0].as_uri()
    with chromium(tmp_path / "browser") as page:
        page.open(report)
        page.until("document.body.innerText.includes('Before you rely on it')")
        elsewhere = [one for one in page.asked if one != report and not one.startswith("data:")]
        assert elsewhere == [], "the page asked for something"
        assert page.complaints == []
