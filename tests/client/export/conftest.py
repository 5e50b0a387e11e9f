"""Model folders with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.calibration.maps import Map
from fedgraft.common.model_folder.folder import write_model
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

Trained = Callable[..., Path]


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """``trained(plan, Map(...))`` -> the folder of a model whose weights and moments are all random; with a calibration
    if there are maps."""

    def made(plan: Plan, *maps: Map, sites: Mapping[str, tuple[Map, ...]] | None = None) -> Path:
        model = build(plan, None)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for name in model.received:
                tensor = model.state[name]
                if tensor.is_floating_point():
                    noise = torch.randn(tensor.shape, generator=generator)
                    tensor.copy_(1 + 0.1 * noise.abs() if "deviation" in name else tensor + 0.2 * noise)
        calibration = Calibration(plan.data.task, plan.data.classes, "platt", maps, sites or {})
        write_model(tmp_path / "model", plan, model, {"calibration.json": calibration.to_json()} if maps else {})
        return tmp_path / "model"

    return made
