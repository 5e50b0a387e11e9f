"""What is kept of each window of a note, by hand; and bags of instances, scaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.features.bags import BagStandardised, bag_of, closed, mean_instance, opened, scale_for
from fedgraft.common.features.moments import moments_of
from fedgraft.common.interfaces.features import Bag, Group
from fedgraft.common.interfaces.inputs import TextSpec
from fedgraft.common.kinds.text_backbone import Embeddings, NoteEncoder
from fedgraft.common.models.build import build
from fedgraft.common.plan.feature_sections import FeaturesSection
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
Words = Callable[..., tuple[str, ...]]
BAG = Bag(2, (1, 2), beside=1)
GROUPS = (Group("a", 2), Group("b", 4), Group("hashed", 1, True), Group("windows", 2, True))
ROWS = torch.tensor([[1.0, 3, 10, 20, 30, 40, 7, 1, 1], [5.0, 0, 50, 60, 0, 0, 9, 1, 0]])
"""A note of two windows, (1, 10, 20) and (3, 30, 40), and one of a single (5, 50, 60)."""


@pytest.fixture
def static() -> NoteEncoder:
    """Vectors of one number: token t has t; windows of two tokens, four at most."""
    encoder = Embeddings(9, 1)
    with torch.no_grad():
        encoder.table.weight.copy_(torch.arange(9.0)[:, None])
    return NoteEncoder(encoder, TextSpec(4, 2, 0), 9, "")


def test_each_window_has_its_own_statistics_and_neighbours_share_where_there_are_too_many(static: NoteEncoder) -> None:
    """Tokens (0, 2), (4, 4), (8) and (1, 3), then (6); written one larger."""
    notes = torch.tensor([[1.0, 3, 5, 5, 9, 0, 2, 4], [7, 0, 0, 0, 0, 0, 0, 0]])
    static(notes)
    last = static._last
    assert last is not None
    hidden = static.encoder(last.ids, last.there)
    found = static.in_windows(hidden, ("mean", "deviation", "maximum"), 4)
    expected = [[[1, 1, 2], [4, 0, 4], [8, 0, 8], [2, 1, 3]], [[6, 0, 6], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]
    torch.testing.assert_close(found, torch.tensor(expected).float(), atol=2e-6, rtol=1e-5)
    assert static.windows_there(4).tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    # of four windows in two places: (0, 2, 4, 4) and (8, 1, 3), every token weighing the same; in three: 0 and 1, 2, 3
    assert static.in_windows(hidden, ("mean",), 2)[0, :, 0].tolist() == [2.5, 4]
    assert static.in_windows(hidden, ("mean",), 3)[0, :, 0].tolist() == [2.5, 8, 2]
    assert static.windows_there(2).tolist() == [[1, 1], [1, 0]]
    torch.testing.assert_close(static.in_windows(hidden, ("mean",), 1)[:, 0], static(notes))


def test_a_bag_is_taken_apart_and_put_together() -> None:
    some = opened(ROWS, BAG)
    assert some.instances.tolist() == [[[1, 10, 20], [3, 30, 40]], [[5, 50, 60], [0, 0, 0]]]
    assert (some.beside.tolist(), some.there.tolist()) == ([[7], [9]], [[1, 1], [1, 0]])
    assert torch.equal(closed(some, BAG), ROWS)
    assert mean_instance(some).tolist() == [[2, 20, 30], [5, 50, 60]]


def test_numbers_are_scaled_by_the_moments_of_each_case_s_mean() -> None:
    """Means of cases 2, 5 and 20, 50 and 30, 60: mean 3.5, 35, 45, deviation 1.5, 15, 15."""
    scale = scale_for(FeaturesSection(scale="common"), GROUPS, BAG)
    assert isinstance(scale, BagStandardised) and scale.roles == {"mean": "given", "deviation": "given"}
    moments = moments_of(scale.prepared(ROWS))
    assert moments.mean.tolist() == [3.5, 35, 45] and moments.variance.sqrt().tolist() == [1.5, 15, 15]
    scaled = opened(scale.scaled(ROWS, moments.mean.float(), moments.variance.sqrt().float()), BAG)
    torch.testing.assert_close(scaled.instances[0, 1], torch.tensor([-0.5, -5, -5]) / torch.tensor([1.5, 15, 15]))
    assert scaled.instances[1, 1].tolist() == [0, 0, 0]  # there is none
    assert (scaled.beside.tolist(), scaled.there.tolist()) == ([[7], [9]], [[1, 1], [1, 0]])


def test_each_stage_of_each_window_by_its_own_mean_and_deviation() -> None:
    """Of one number nothing is left; of two, -1 and 1."""
    found = opened(scale_for(FeaturesSection(scale="case"), GROUPS, BAG)(ROWS), BAG)
    expected = [[[0, -1, 1], [0, -1, 1]], [[0, -1, 1], [0, 0, 0]]]
    torch.testing.assert_close(found.instances, torch.tensor(expected).float(), atol=1e-4, rtol=0)
    both = scale_for(FeaturesSection(scale="case_common"), GROUPS, BAG)
    assert isinstance(both, BagStandardised)
    assert both.prepared(ROWS).square().sum(dim=1).tolist() == pytest.approx([2, 2], abs=1e-4)  # noise is fitted to it


def test_a_built_model_reads_windows_and_a_note_s_do_not_depend_on_the_others(
    of_encoder: Words, plan_of: PlanOf
) -> None:
    plan = plan_of(*of_encoder(), "features=windows", "features.most=2", "head=attention")
    model = build(plan, None)
    layers = [f"encoder.model.encoder.layer.{number}" for number in (0, 1)]
    assert [(group.name, group.width, group.comparable) for group in model.groups] == [
        (layers[0], 32, False),
        (layers[1], 32, False),
        ("windows", 2, True),
    ]
    assert bag_of(model.network.reading, model.groups) == Bag(2, (16, 16))
    assert model.state["scale.mean"].shape == (32,) and model.scaled_width == 32
    inputs = torch.zeros(3, 24)
    inputs[0, :3], inputs[1, :16], inputs[2] = 3, 5, torch.randint(1, 12, (24,)).float()
    whole = model.network.features(inputs)
    for one in range(3):
        torch.testing.assert_close(model.network.features(inputs[one : one + 1])[0], whole[one], atol=1e-5, rtol=1e-4)
    taps = build(plan_of(*of_encoder(), "features=taps", "head=plain"), None).network.features(inputs)
    first = build(replace(plan, features=replace(plan.features, options={**plan.features.options, "most": 1})), None)
    torch.testing.assert_close(first.network.features(inputs)[:, :-1], taps, atol=1e-5, rtol=1e-4)


def test_hashed_words_stand_beside_the_windows(of_encoder: Words, plan_of: PlanOf) -> None:
    """Width: two layers of 2 windows of 16 numbers, 32 buckets, 2 that say which windows there are."""
    words = ("features=windows_hashed", "features.most=2", "features.buckets=32", "features.weight=2.0")
    model = build(plan_of(*of_encoder(), *words, "head=attention"), None)
    assert bag_of(model.network.reading, model.groups) == Bag(2, (16, 16), beside=32)
    inputs = torch.zeros(2, 56)
    inputs[:, :3], inputs[:, 24:] = 5, torch.arange(32.0)
    some = opened(model.network.scale(model.network.features(inputs)), Bag(2, (16, 16), beside=32))
    assert some.beside[1].tolist() == [2.0 * at for at in range(32)] and some.there.tolist() == [[1, 0], [1, 0]]
    alone = build(plan_of(*of_encoder(), "features=windows", "features.most=2", "head=attention"), None)
    torch.testing.assert_close(
        some.instances.flatten(1)[0, :16],
        opened(alone.network.features(inputs[:, :24]), Bag(2, (16, 16))).instances[0, 0, :16],
    )


def test_images_have_no_windows(plan_of: PlanOf) -> None:
    with pytest.raises(
        PlanError, match="features=windows reads the windows of notes, and this backbone sees a case as"
    ):
        build(plan_of("features=windows", "head=attention", "backbone.pretrained=false"), None)
