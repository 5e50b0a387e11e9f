"""An exact fit of a head on scaled features of every stage, over TLS, gives the simulation's tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.engine.run import simulate

from .conftest import Deployment, Service

EVALUATIONS = 2
"""Of the gradient; each is a process at every site: the first question, and one that brings no given tensors."""


def test_a_fit_over_scaled_features(
    deployment: Deployment,
    start_site: Callable[..., Service],
    compose_plan: Callable[..., Plan],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moments are pooled, given tensors come with the first question only, and the head of two classes as one row."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan(
        *("features=taps", "head=plain", "loss.weights=none", "rounds=1", "strategy=exact", "strategy.weakest=0.1"),
        *(f"strategy.most_evaluations={EVALUATIONS}", "strategy.min_sites=2", "strategy.timeout=120"),
        "data.sites=2",
    )
    simulate(plan, tmp_path / "simulated", Console(file=StringIO()))
    for folder in sorted((tmp_path / "simulated" / "sites").iterdir()):
        start_site(deployment.site_file(f"fit-{folder.name}", folder / "manifest.csv"))
    out, plan_file = tmp_path / "deployed", str(tmp_path / "simulated" / "plan.yaml")
    done = deployment.command(
        "coordinator", "run", str(deployment.folder.root), "--plan", plan_file, "--out", str(out), seconds=240
    )

    assert done.returncode == 0, done.stdout + done.stderr
    expected, found = (
        safetensors.torch.load_file(f / "model" / "model.safetensors") for f in (tmp_path / "simulated", out)
    )
    assert set(expected) == set(found) and {"scale.mean", "scale.deviation", "head.weight"} <= set(found)
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=1e-4, atol=1e-4), name
    asked = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    first, *later = [line["bytes_down"] for line in asked if line["what"] == "gradient" and line["site"] == "fit-alder"]
    numbers = found["scale.mean"].numel()
    assert len(later) == EVALUATIONS - 1
    assert first - max(later) > 8 * numbers
    assert 4 * numbers < max(later) < 8 * numbers, "one row of the head in float32"
