"""The scripts of examples/, run as they are; and that docs/examples.md lists them all."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
SAID = {
    "first_run": ("<run runs/first_run: 2 sites, 5 rounds", "leaves a site: shared tensors", "birch: AUROC"),
    "own_manifest": ("classes found in the labels: clear (40), lesion (20)", "<run runs/own_manifest: 2 sites"),
    "own_loss_and_backbone": ("two_layers, __notebook__.loss.SoftLabels with {'smoothing': 0.2}",),
    "predict": ("{'clear': 0.", "'lesion': 0."),
    "study_with_baselines": ("ederation", "mean over sites", "all of it: runs/study/study.md, runs/study/study.png"),
}


@pytest.mark.processes
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs_and_says_what_it_found(
    script: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))  # the phantoms of all examples are the same
    monkeypatch.setenv("COLUMNS", "200")
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert all(words in said for words in SAID[script.stem]), said


def test_the_page_lists_every_example_and_a_notebook_holds_no_output() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    notebooks = sorted((ROOT / "examples").glob("*.ipynb"))
    assert len(SCRIPTS) == len(SAID) == 5 and len(notebooks) == 2
    assert all(f"`{path.name}`" in page for path in (*SCRIPTS, *notebooks))
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
        assert path.stat().st_size < 10_000
