"""A small cohort of pictures, and a site's starts over it, for the tests of cohorts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgraft.client.cohort.accepted import accept, accept_whole
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.features.examples import Examples
from fedgraft.client.features.extraction import Cohort, FeatureExtractor, load_cohort
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.images.pixels import decode, encode
from fedgraft.client.images.reader import CaseReader
from fedgraft.client.images.transforms import resize
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common import tensors
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

from ...plans import plan_of_words
from ..conftest import Counter

CLASSES = ("clear", "lesion")


def plan_of(name: str = "test_resnet", *overrides: str) -> Plan:
    fixed = (f"backbone.name={name}", "backbone.pretrained=false", "data.image_size=32")
    return plan_of_words((*fixed, *overrides))


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
    return all_of(extractor(model, store, counter), cases)


def all_of(one: FeatureExtractor, cases: tuple[Case, ...], views: int = 1) -> Examples:
    """All of the cases, without splits."""
    return one.examples(accept_whole(cases, one.plan, one.inputs), views)


def cohort_of(cases: tuple[Case, ...], one: FeatureExtractor, trains: bool = True) -> Cohort:
    """The cases as a site takes them in."""
    return load_cohort(accept(cases, one.plan, one.inputs), one, trains)


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
    inputs = ImageFactory().inputs(InputContext(plan, OURS, store, workers=workers))
    return FeatureExtractor(plan, model, digest, inputs, store, choose("cpu", 1, batch=batch), counter or Counter())


def kept_image(case: Case, model: Model, read_case: CaseReader) -> torch.Tensor:
    """``(1, S, S)`` of a grey case, as it is after it was kept as uint16."""
    assert isinstance(model.spec, ImageSpec)
    return decode(encode(resize(read_case(case).pixels, model.spec)))
