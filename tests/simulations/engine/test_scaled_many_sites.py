"""Many sites trained together give the result of one after another, with common and with own moments."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.client.app import handlers, many_sites
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.engine.run import simulate

SITES = ("data.sites=6", "data.cases=40", "partition=quantity", "partition.sites=8", "partition.exponent=0.5")
MORE = ("features=taps", "loss.weights=local", "data.val_fraction=0.2")


@pytest.mark.parametrize(
    "overrides",
    [
        ("features.scale=common",),
        ("features.scale=own",),
        ("features.scale=centre", "features.shrink=10", "strategy=fedprox"),
        ("features.scale=auto", "head=plain"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_the_result_is_the_same(
    compose_plan: Callable[..., Plan],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: tuple[str, ...],
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    alone: list[str] = []
    inner = handlers.carry_out

    def counted(given: handlers.Assignment, *rest: Any) -> Any:
        alone.append(given.session.site.name)
        return inner(given, *rest)

    monkeypatch.setattr(many_sites, "carry_out", counted)
    found = {}
    for together in ("true", "false"):
        plan = compose_plan(*SITES, *MORE, *overrides, f"engine.together={together}")
        found[together] = simulate(plan, tmp_path / together, Console(file=StringIO()))
        assert together == "false" or len(alone) < 2 * 8, "most sites were trained together"
    one, other = (safetensors.torch.load_file(tmp_path / out / "model" / "model.safetensors") for out in found)
    for name, tensor in other.items():
        scale = tensor.abs().max().item() if tensor.numel() else 0.0
        torch.testing.assert_close(one[name], tensor, rtol=1e-4, atol=1e-4 * scale)
    for site, figures in found["false"]["sites"].items():
        assert found["true"]["sites"][site]["loss"] == pytest.approx(figures["loss"], rel=1e-4)
    assert found["true"]["bytes"] == found["false"]["bytes"]
    assert found["true"]["choices"] == found["false"]["choices"]
