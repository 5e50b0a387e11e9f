"""Views of a cohort's cases, and decoding ahead: what is computed once is what the backbone gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from PIL import Image

from fedgraft.client.cohort import Keeper, ignore, load_cohort
from fedgraft.client.cohort_inputs import inputs_of
from fedgraft.client.decoding import MOST
from fedgraft.client.examples import Examples
from fedgraft.client.image_inputs import Rules
from fedgraft.client.images import CaseReader
from fedgraft.client.machine import choose
from fedgraft.client.manifest import Case
from fedgraft.client.store import Store
from fedgraft.client.transforms import normalise, resize
from fedgraft.client.views import Bank, identity, view_of
from fedgraft.common import tensors
from fedgraft.common.model import Model, build
from fedgraft.common.plan import Plan
from fedgraft.simulations.compose import to_plan

CLASSES = ("clear", "lesion")


def plan_of(name: str = "test_resnet", *overrides: str) -> Plan:
    fixed = (f"backbone.name={name}", "backbone.pretrained=false", "data.image_size=32")
    with initialize_config_module("fedgraft.conf", version_base="1.3"):
        return to_plan(compose("plan", overrides=[*fixed, *overrides]))


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


class Counter:
    """A `Progress` that adds up."""

    def __init__(self) -> None:
        self.cases = 0

    def __call__(self, cases: int) -> None:
        self.cases += cases


def load(cases: tuple[Case, ...], model: Model, store: Store, counter: Counter | None = None) -> Examples:
    return keeper(model, store, counter).examples(cases)


def keeper(
    model: Model,
    store: Store,
    counter: Counter | None = None,
    plan: Plan | None = None,
    *,
    workers: int = 0,
    batch: int | None = None,
) -> Keeper:
    """As a site makes it on each start: nothing but the store outlives it."""
    digest, plan = tensors.digest(model.backbone_state()), plan or plan_of()
    inputs = inputs_of(plan, model.spec, Rules(), store, workers, ignore)
    return Keeper(plan, model, digest, inputs, store, choose("cpu", 1, batch=batch), counter or Counter())


def kept_image(case: Case, model: Model, read_case: CaseReader) -> torch.Tensor:
    """``(1, S, S)`` of a grey case, as it is after it was kept as uint16."""
    return (resize(read_case(case).pixels, model.spec) * MOST).round() / MOST


def test_every_view_is_computed_once_and_the_case_as_it_is_is_shared(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    """Without augmentation first: then only the five others are new; training sees all, the others see one."""
    plan = plan_of("test_resnet", "augment=mild", "data.val_fraction=0.2")
    store, counter = Store(tmp_path / "kept"), Counter()
    plain = load(cases, model, store, counter)
    cohort = load_cohort(cases, keeper(model, store, counter, plan))
    assert counter.cases == 20, "a case is counted when it is first computed"
    train = cohort["train"]
    assert (train.views, cohort["val"].views) == (6, 1)
    assert len(train.stored) == 20 + 5 * len(train)
    views = torch.stack([train.batch(torch.arange(len(train)), torch.full((len(train),), v)) for v in range(6)])
    assert torch.equal(views[0], train.inputs)
    assert all(not torch.equal(views[0], views[v]) for v in range(1, 6))
    assert {tuple(row.tolist()) for row in train.inputs} <= {tuple(row.tolist()) for row in plain.inputs}


def test_a_view_is_what_the_backbone_gives_for_the_changed_image(
    cases: tuple[Case, ...], model: Model, read_case: CaseReader
) -> None:
    plan = plan_of("test_resnet", "augment=mild")
    bank = Bank(plan.augment, plan.seed)
    examples = keeper(model, Store(None), plan=plan).examples(cases[:3], views=6)
    image = view_of(kept_image(cases[1], model, read_case), bank, identity(cases[1]), 4)
    with torch.no_grad():
        expected = model.network.backbone(normalise(image, model.spec).expand(3, -1, -1)[None])
    torch.testing.assert_close(examples.batch(torch.tensor([1]), torch.tensor([4])), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_decoding_ahead_changes_nothing(cases: tuple[Case, ...], model: Model, tmp_path: Path, workers: int) -> None:
    one = keeper(model, Store(None), workers=workers, batch=4)
    torch.testing.assert_close(one.examples(cases).inputs, load(cases, model, Store(None)).inputs)
