"""`benchmarks/own_figures.py`: figures by hand, and a run that has none."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "own_figures.py"


def say(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["own_figures.py", *words])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_figures_by_hand_and_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lesions at 2 and -1, two clear cases at -2 and 0: three of four pairs, three of four answers right."""
    state = tmp_path / "sites" / "north" / "state"
    state.mkdir(parents=True)
    lines = ["test,a,lesion,2", "test,b,lesion,-1", "test,c,clear,-2", "test,d,clear,0"]
    (state / "predictions.csv").write_text("\n".join(["split,case,label,log_odds_lesion", *lines]) + "\n")
    say(monkeypatch, str(tmp_path))
    assert "4 cases, AUROC 0.7500, accuracy 0.7500, over 1 sites 0.7500" in capsys.readouterr().out
    for words, told in (
        ((str(tmp_path), "--split", "val"), "no site has a val case"),
        ((str(state),), "no sites/NAME"),
    ):
        with pytest.raises(SystemExit, match="2"):
            say(monkeypatch, *words)
        assert told in capsys.readouterr().err
