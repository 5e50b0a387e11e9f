"""What a data set says of itself is printed by a run, and is in its summary."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.state import RunOutcome
from fedgraft.simulations.engine.run import simulate_over
from fedgraft.simulations.federation.sites import partition_cases, write_sites


def test_notes_are_printed_and_kept_and_the_outcome_is_handed_over(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan, text = compose_plan("rounds=1"), StringIO()
    partitioned = replace(partition_cases(plan, os.environ), notes=("3 images are left out [of 9]",))
    federation = write_sites(plan, partitioned, tmp_path / "sites", os.environ)
    heard: list[RunOutcome] = []
    found = simulate_over(plan, federation, tmp_path, Console(file=text, width=200), ended=heard.append)
    assert "3 images are left out [of 9]\n" in text.getvalue()
    assert found["notes"] == ["3 images are left out [of 9]"]
    assert found == json.loads((tmp_path / "summary.json").read_text())
    (outcome,) = heard
    evaluation = outcome.final.by_site["alder"]["test"]
    assert found["sites"]["alder"]["auroc"] == pytest.approx(evaluation.figures()["auroc"], abs=1e-6)
