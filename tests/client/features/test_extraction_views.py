"""Views of a cohort's cases, and decoding ahead: what is computed once is what the backbone gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedgraft.client.augmentation.views import Bank, identity, view_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.images.reader import CaseReader
from fedgraft.client.images.transforms import normalise
from fedgraft.client.site.row_store import Store
from fedgraft.common.models.model import Model

from ..conftest import Counter
from .small_cohort import all_of, cases, cohort_of, extractor, kept_image, load, model, plan_of

__all__ = ["cases", "model"]  # fixtures


def test_every_view_is_computed_once_and_the_case_as_it_is_is_shared(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    """Without augmentation first: then only the five others are new; training sees all, the others see one."""
    plan = plan_of("test_resnet", "augment=mild", "data.val_fraction=0.2")
    store, counter = Store(tmp_path / "kept"), Counter()
    plain = load(cases, model, store, counter)
    cohort = cohort_of(cases, extractor(model, store, counter, plan))
    train = cohort["train"]
    assert counter.cases == 20 + len(train), "a case counts when its last view was computed, also if it was kept"
    assert (train.views, cohort["val"].views) == (6, 1)
    assert len(train.stored) == 20 + 5 * len(train)
    views = torch.stack([train.batch(torch.arange(len(train)), torch.full((len(train),), v)) for v in range(6)])
    assert torch.equal(views[0], train.inputs)
    assert all(not torch.equal(views[0], views[v]) for v in range(1, 6))
    assert {tuple(row.tolist()) for row in train.inputs} <= {tuple(row.tolist()) for row in plain.inputs}


def test_each_case_counts_once_and_as_it_is_done(cases: tuple[Case, ...], model: Model) -> None:
    """Six views a case, in batches of four rows at most, each of one case: its first four views, and the rest."""
    told: list[int] = []
    plan = plan_of("test_resnet", "augment=mild")
    one = replace(extractor(model, Store(None), batch=4, plan=plan), progress=told.append)
    all_of(one, cases[:4], 6)
    assert told == [0, 1] * 4


def test_a_site_that_never_trains_computes_each_case_as_it_is(cases: tuple[Case, ...], model: Model) -> None:
    cohort = cohort_of(cases, extractor(model, Store(None), plan=plan_of("test_resnet", "augment=mild")), trains=False)
    assert cohort["train"].views == 1
    assert len(cohort["train"].stored) == 20


def test_a_view_is_what_the_backbone_gives_for_the_changed_image(
    cases: tuple[Case, ...], model: Model, read_case: CaseReader
) -> None:
    plan = plan_of("test_resnet", "augment=mild")
    bank = Bank(plan.augment, plan.seed)
    examples = all_of(extractor(model, Store(None), plan=plan), cases[:3], 6)
    image = view_of(kept_image(cases[1], model, read_case), bank, identity(cases[1]), 4)
    with torch.no_grad():
        expected = model.network.backbone(normalise(image, model.spec).expand(3, -1, -1)[None])
    torch.testing.assert_close(examples.batch(torch.tensor([1]), torch.tensor([4])), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_decoding_ahead_changes_nothing(cases: tuple[Case, ...], model: Model, tmp_path: Path, workers: int) -> None:
    one = extractor(model, Store(None), workers=workers, batch=4)
    torch.testing.assert_close(all_of(one, cases).inputs, load(cases, model, Store(None)).inputs)
