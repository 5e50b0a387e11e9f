"""A coordinator sends weights that isolate patients' images, as a frozen network sees them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import lay_out

from .coordinator import Curious

WORDS = ("head=mlp", "head.normalise=false", "head.hidden=60", "head.dropout=0", "train.epochs=1", "train.lr=10")
ONE_STEP = ("train.batch_size=512", "train.momentum=0", "train.schedule=constant", "loss.weights=none", "rounds=9")
CLOSE = 0.9


def bins(sent: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Unit k fires for rows whose projection is above the k-th quantile, which this coordinator knows (Fowl et al.,
    ICLR 2022)."""
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=rows.shape[1])).float()
    along = (rows - rows.mean(dim=0)) @ direction
    units = len(sent["head.hidden.weight"])
    at = torch.quantile(along, (torch.arange(units) + 0.5) / units) + rows.mean(dim=0) @ direction
    steep = 50 / float(along.std())
    chosen = {name: torch.zeros_like(tensor) for name, tensor in sent.items()}
    chosen["head.hidden.weight"] = steep * direction.repeat(units, 1)
    chosen["head.hidden.bias"] = -steep * at
    chosen["head.output.weight"][0] = 100.0  # so that rounding does not hide the change
    return chosen


def read(sent: dict[str, Tensor], came: dict[str, Tensor], rows: Tensor) -> int:
    """Patients of whose difference to the mean, which anybody may know, a unit or a difference of two has 0.9."""
    moved, bias = ((came[name] - sent[name]).double() for name in ("head.hidden.weight", "head.hidden.bias"))
    one, other = torch.triu_indices(len(bias), len(bias), 1)
    moved, bias = torch.cat([moved, moved[one] - moved[other]]), torch.cat([bias, bias[one] - bias[other]])
    some = bias.abs() > 1e-7 * bias.abs().max().clamp_min(1e-30)
    mean = rows.double().mean(dim=0)
    pairs = (moved[some] / bias[some, None] - mean, rows.double() - mean)
    ours, theirs = (part / torch.linalg.vector_norm(part, dim=1, keepdim=True).clamp_min(1e-30) for part in pairs)
    return int(((ours @ theirs.T).amax(dim=0) > CLOSE).sum()) if len(ours) else 0


@pytest.mark.parametrize("least", [1, 5], ids=["open", "fenced"])
def test_images_are_read_without_the_fence_and_none_with_it(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan(*WORDS, *ONE_STEP, "calibration=none", "decide.unseen=null")
    site = next(iter(lay_out(plan, tmp_path / "sites", os.environ).sites.values()))
    content = yaml.safe_load(site.read_text())
    site.write_text(yaml.safe_dump(content | {"release": {**content.get("release", {}), "min_patients": least}}))
    one = Curious(site, plan)
    one.prepare()
    session = one.workspace.open(site, plan.digest, 1)
    rows = session.training.batch(torch.arange(len(session.training))).flatten(1)
    sent = bins(one.model.tensors(one.model.received), rows)
    update = one.train(sent, 1)
    if least == 1:
        assert not isinstance(update, str)
        assert read(sent, update.tensors, rows) >= 5
    else:
        assert update == "few-cases" or read(sent, update.tensors, rows) == 0  # type: ignore[union-attr]
