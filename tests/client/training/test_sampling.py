"""Synthesised cases beside the given ones, in every view."""

from __future__ import annotations

import torch

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.sampling import sampler_of, with_synthesised
from fedgraft.common.sampling.oversampling import Oversampling
from fedgraft.common.sampling.smote import Smote

LABELS = torch.tensor([0, 0, 0, 1, 1])


def banked() -> Examples:
    """Five cases in two views, in a store of twelve rows."""
    places = torch.tensor([[0, 6], [1, 7], [2, 8], [4, 9], [5, 11]])
    return Examples(torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), LABELS, places)


def test_the_given_cases_keep_their_views() -> None:
    cases = banked()
    grown = with_synthesised(cases, Smote(), 0, "alder")
    assert len(grown) == 6
    assert grown.views == 2
    for view in (0, 1):
        rows = torch.full((5,), view)
        assert torch.equal(grown.batch(torch.arange(5), rows), cases.batch(torch.arange(5), rows))


def test_a_made_case_is_the_same_in_every_view_and_made_from_the_first() -> None:
    cases = banked()
    grown = with_synthesised(cases, Smote(), 0, "alder")
    first, second = (grown.batch(torch.tensor([5]), torch.tensor([view]))[0] for view in (0, 1))
    assert torch.equal(first, second)
    a, b = cases.inputs[3], cases.inputs[4]
    torch.testing.assert_close((first - a).norm() + (first - b).norm(), (a - b).norm())
    assert grown.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_each_site_draws_its_own_and_every_time_the_same() -> None:
    found = [with_synthesised(banked(), Smote(), 0, name).inputs for name in ("alder", "alder", "birch")]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_sampler_leaves_the_cases_as_they_are() -> None:
    cases = banked()
    assert with_synthesised(cases, Oversampling(), 0, "alder") is cases
    assert with_synthesised(cases, None, 0, "alder") is cases


def test_all_given_and_synthesised_are_shown_once() -> None:
    sampler = sampler_of(Smote())
    assert sampler is not None
    assert sorted(sampler.order(torch.zeros(9), torch.Generator().manual_seed(0)).tolist()) == list(range(9))
    chosen = Oversampling()
    assert sampler_of(chosen) is chosen
    assert sampler_of(None) is None
