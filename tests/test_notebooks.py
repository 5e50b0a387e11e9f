"""The notebooks of examples/, executed in a kernel: no cell fails, and what a notebook shows is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def executed(path: Path, folder: Path) -> list[Any]:
    """The code cells, with what they show."""
    import nbformat  # seconds, for this one worker
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return [cell for cell in client.execute().cells if cell.cell_type == "code"]


def kinds(cell: Any) -> set[str]:
    """The MIME types of what a cell shows."""
    return {kind for output in cell.outputs for kind in output.get("data", {})}


@pytest.mark.processes
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cells = executed(path, tmp_path)
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    ran = next(cell for cell in cells if "fg.simulate(" in cell.source)
    assert {"text/html", "application/vnd.jupyter.widget-view+json"} <= kinds(ran)  # the run's page, and rich's bars
    page = next(o["data"]["text/html"] for o in ran.outputs if "base64," in o.get("data", {}).get("text/html", ""))
    assert "final model, on each site&#x27;s test cases" in page
    assert not any("ipywidgets" in output.get("text", "") for output in ran.outputs)
