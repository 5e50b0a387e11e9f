"""Plans composed by Hydra from `fedgraft.conf`, for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fedgraft.common.plan.plan import Plan

from ..plans import plan_of_words

PlanOf = Callable[..., Plan]


def compose_plan(*overrides: str) -> Plan:
    return plan_of_words(overrides)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def plan_of() -> PlanOf:
    """`plan_of("rounds=3", ...)` composes the defaults with overrides."""
    return compose_plan


@pytest.fixture(scope="session")
def small() -> PlanOf:
    """`small("test_resnet", ...)`: a plan on a small random backbone at 64 pixels."""

    def plan(name: str, *overrides: str) -> Plan:
        random = (f"backbone.name={name}", "backbone.pretrained=false", "data.image_size=64")
        return compose_plan(*random, *overrides)

    return plan


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; skips the test where there is none."""
    named = os.environ.get("FEDGRAFT_DATA")
    beside = Path(__file__).parents[3] / "shared" / "data"
    root = Path(named) if named else beside
    if not root.is_dir():
        pytest.skip("no real data: FEDGRAFT_DATA is not set, and ../shared/data does not exist")
    return root
