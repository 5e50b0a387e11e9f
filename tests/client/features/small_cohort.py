"""A small cohort of pictures, and a site's starts over it, for the tests of cohorts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgraft.client.cohort.case import Case
from fedgraft.client.features.examples import Examples
from fedgraft.client.features.extraction import FeatureExtractor, ignore
from fedgraft.client.features.inputs import inputs_of
from fedgraft.client.images.decode_pool import MOST
from fedgraft.client.images.reader import CaseReader
from fedgraft.client.images.transforms import resize
from fedgraft.client.site.limits import Rules
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common import tensors
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

from ..conftest import Counter

CLASSES = ("clear", "lesion")


def plan_of(name: str = "test_resnet", *overrides: str) -> Plan:
    fixed = (f"backbone.name={name}", "backbone.pretrained=false", "data.image_size=32")
    return composed(Words((*fixed, *overrides))).plan


@pytest.fixture(scope="module")
def model() -> Model:
    """Constant features before a head."""
    torch.set_num_threads(1)
    return build(plan_of(), None)


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Case, ...]:
    """Twenty small pictures of ten patients, two each."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(20):
        path = tmp_path / f"{number:02d}.png"
        Image.fromarray(rng.integers(256, size=(20, 24), dtype=np.uint8)).save(path)
        found.append(Case(str(path), CLASSES[number // 2 % 2], f"patient-{number // 2}"))
    return tuple(found)


def load(cases: tuple[Case, ...], model: Model, store: Store, counter: Counter | None = None) -> Examples:
    return extractor(model, store, counter).examples(cases)


def extractor(
    model: Model,
    store: Store,
    counter: Counter | None = None,
    plan: Plan | None = None,
    *,
    workers: int = 0,
    batch: int | None = None,
) -> FeatureExtractor:
    """As a site makes it on each start: nothing but the store outlives it."""
    digest, plan = tensors.digest(model.backbone_state()), plan or plan_of()
    inputs = inputs_of(plan, model.spec, Rules(), store, workers, ignore)
    return FeatureExtractor(plan, model, digest, inputs, store, choose("cpu", 1, batch=batch), counter or Counter())


def kept_image(case: Case, model: Model, read_case: CaseReader) -> torch.Tensor:
    """``(1, S, S)`` of a grey case, as it is after it was kept as uint16."""
    return (resize(read_case(case).pixels, model.spec) * MOST).round() / MOST
