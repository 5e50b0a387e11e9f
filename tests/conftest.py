"""Plans that run in seconds: a small random backbone over small phantom hospitals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module

from fedgraft.client.images import CaseReader, Reading
from fedgraft.client.limits import Limits
from fedgraft.common.plan import Plan
from fedgraft.common.schema_data import Dicom
from fedgraft.simulations.compose import to_plan

MODEL = (
    "backbone=timm",
    "backbone.name=test_efficientnet",
    "backbone.pretrained=false",
    "data.image_size=32",
    "rounds=2",
    "train.epochs=1",
    "engine.threads=1",
)
HOSPITALS = ("data.sites=3", "data.cases=32", "data.size=64")
Composer = Callable[..., Plan]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def compose_plan() -> Composer:
    """``compose_plan("head=cosine")`` -> a checked plan of a small run; with ``data=...`` over that data set."""

    def composed(*overrides: str, small: bool = True) -> Plan:
        own_data = any(override.startswith("data=") for override in overrides)
        base = (*MODEL, *(() if own_data else HOSPITALS)) if small else ()
        with initialize_config_module(config_module="fedgraft.conf", version_base="1.3"):
            return to_plan(compose("plan", [*base, *overrides]))

    return composed


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: phantom hospitals are generated once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reading() -> Reading:
    """How files are read by default: by the plan (tests/client/test_images.py) and by the site."""
    return Reading(Dicom(window="file", choice=0, frames="middle", slices=3, neighbours=False), Limits())


@pytest.fixture
def read_case(reading: Reading) -> CaseReader:
    return CaseReader(reading)
