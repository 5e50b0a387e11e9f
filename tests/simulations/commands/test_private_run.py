"""Whole runs with ``privacy=record_evaluated``: figures are told, marked as noisy, and of all sites together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgraft.common.cli import main

from . import test_command

SMALL = (*test_command.SMALL, "data.sites=3", "data.test=sites", "data.test_fraction=0.25", "privacy=record_evaluated")
SECURE = ("aggregation=secure", "strategy.precision=float64", "rounds=1", "privacy.steps=2")


@pytest.mark.parametrize("words", [("privacy.epsilon=200", "calibration=platt"), ("privacy.epsilon=0.2",)])
def test_figures_are_told_with_noise(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """With hardly any noise they are of all patients; with much they say that they can't be relied on."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *SMALL, *SECURE, *words, "hydra.run.dir=run"]) == 0
    found = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert set(found["noise"]) == {"val", "test"}
    (said,) = [one for one in found["warnings"] if "noise for privacy" in one]
    assert "privacy.evaluation=1" in said and all(one["cases"] == 0 for one in found["sites"].values())
    if len(words) > 1:
        assert found["noise"]["test"]["auroc"] < 0.1 and "test AUROC by 0.0" in said
        assert found["calibration"]["method"] == "platt" and found["calibration"]["from_cases"] > 0
    else:
        assert "so far that it can't be relied on" in said
