"""Features of several networks: each network's rows are kept by themselves, and only what is lacking is computed."""

from __future__ import annotations

from pathlib import Path

import torch

from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, InputContext
from fedgraft.client.features.examples import Examples
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common.kinds.several import Several
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

from ...plans import plan_of_words
from ..conftest import Counter
from .small_cohort import cases

__all__ = ["cases"]  # a fixture
FIRST = "{name: test_efficientnet, size: 32, pretrained: false}"
SECOND = "{name: test_resnet, size: 24, pretrained: false}"


def plan_of(*networks: str, more: tuple[str, ...] = ()) -> Plan:
    words = (f"features.networks=[{', '.join(networks)}]", "data.image_size=null", "features.scale=none", *more)
    return plan_of_words(("features=taps", *words))


class Runs:
    """A site's start over a store; ``passes`` counts the batches that went through each network."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.model, self.counter = plan, build(plan, None), Counter()
        several = self.model.network.backbone
        assert isinstance(several, Several)
        self.passes = [0] * len(several.members)
        for place, member in enumerate(several.members):
            member.register_forward_hook(self._counting(place))
        inputs = ImageFactory().inputs(InputContext(plan, OURS, store, workers=0))
        name, machine = self.model.backbone_name, choose("cpu", 1, runtime="eager")  # others run cases to compare
        self.extractor = FeatureExtractor(plan, self.model, name, inputs, store, machine, self.counter)

    def _counting(self, place: int) -> object:
        def count(*_: object) -> None:
            self.passes[place] += 1

        return count

    def examples(self, cases: tuple[Case, ...]) -> Examples:
        self.passes[:] = [0] * len(self.passes)  # building runs blank cases
        return self.extractor.examples(accept_whole(cases, self.plan, self.extractor.inputs))


def whole(model: Model, runs: Runs, cases: tuple[Case, ...]) -> torch.Tensor:
    batches = runs.extractor.inputs.batches([CaseView(case) for case in cases], 64)
    with torch.no_grad():
        return model.network.features(torch.cat([images for _, images in batches]))


def test_they_are_those_of_the_whole_network(cases: tuple[Case, ...], tmp_path: Path) -> None:
    runs = Runs(plan_of(FIRST, SECOND), Store(tmp_path / "kept"))
    found = runs.examples(cases)
    torch.testing.assert_close(found.inputs, whole(runs.model, runs, cases), rtol=1e-4, atol=1e-5)
    assert runs.counter.cases == len(cases)


def test_one_network_more_is_all_that_a_second_plan_computes(cases: tuple[Case, ...], tmp_path: Path) -> None:
    store = Store(tmp_path / "kept")
    alone = Runs(plan_of(FIRST), store)
    before = alone.examples(cases)
    assert (alone.passes, alone.counter.cases) == ([1], 20)
    both = Runs(plan_of(FIRST, SECOND), store)
    after = both.examples(cases)
    assert (both.passes, both.counter.cases) == ([0, 1], 20)
    width = before.inputs.shape[1]
    assert torch.equal(after.inputs[:, :width], before.inputs)
    again = Runs(plan_of(SECOND, FIRST), store)  # other weights: they are drawn in the order of the list
    again.examples(cases)
    assert again.passes == [1, 1]


def test_a_case_that_one_of_them_lacks_is_computed_for_that_one(cases: tuple[Case, ...], tmp_path: Path) -> None:
    store = Store(tmp_path / "kept")
    Runs(plan_of(FIRST), store).examples(cases[:15])
    both = Runs(plan_of(FIRST, SECOND), store)
    found = both.examples(cases)
    assert both.counter.cases == 20
    torch.testing.assert_close(found.inputs, whole(both.model, both, cases), rtol=1e-4, atol=1e-5)
    assert Runs(plan_of(FIRST, SECOND), store).examples(cases[::-1]).inputs.equal(found.inputs.flip(0))


def test_a_scale_or_a_head_computes_nothing_again_and_other_statistics_do(
    cases: tuple[Case, ...], tmp_path: Path
) -> None:
    store = Store(tmp_path / "kept")
    Runs(plan_of(FIRST, SECOND), store).examples(cases)
    for more, passes in ((("features.scale=own", "head=mlp"), [0, 0]), (("features.statistics=[mean]",), [1, 1])):
        runs = Runs(plan_of(FIRST, SECOND, more=more), store)
        runs.examples(cases)
        assert runs.passes == passes, more


def test_views_of_a_case_are_rows_of_each_network(cases: tuple[Case, ...], tmp_path: Path) -> None:
    runs = Runs(plan_of(FIRST, SECOND, more=("augment=mild", "augment.views=3")), Store(tmp_path / "kept"))
    part = accept_whole(cases, runs.plan, runs.extractor.inputs)
    found = runs.extractor.examples(part, 3)
    assert found.views == 3
    first, third = (found.batch(torch.arange(20), torch.full((20,), view)) for view in (0, 2))
    assert not torch.equal(first, third)
    torch.testing.assert_close(first, whole(runs.model, runs, cases), rtol=1e-4, atol=1e-5)
