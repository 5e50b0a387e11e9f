"""Single attacks on cases that a program drew."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from fedgraft.common.models.frozen_part import INPUTS
from fedgraft.simulations.audit.canaries import Mechanism
from fedgraft.simulations.audit.cases import Pool
from fedgraft.simulations.audit.heads import Heads, residuals
from fedgraft.simulations.audit.pictures import drawn, inverted, matched, of_the_plan
from fedgraft.simulations.audit.reconstruction import read
from fedgraft.simulations.audit.updates import (
    Messages,
    Whitened,
    attacked,
    basis_of,
    in_span,
    of_whole_span,
    part_of_sum,
)

from .pools import drawn_pool

POOL = drawn_pool(100, 120)


def gradients(pool: Pool, count: int) -> dict[str, Messages]:
    """What the sites would tell of their members at so many heads."""
    generator, told = torch.Generator().manual_seed(3), dict[str, Messages]()
    for place, name in enumerate(pool.sites):
        some = pool.of((pool.site == place) & pool.member)
        told[name] = []
        for _ in range(count):
            weight, bias = 0.1 * torch.randn(1, 2, 120, generator=generator), torch.zeros(1, 2)
            slopes = residuals(Heads(weight, bias).outputs(some.inputs), some.labels, nn.functional.cross_entropy)[0]
            at = torch.cat([weight[0], bias[0][:, None]], dim=1)
            told[name].append((at, -torch.cat([slopes.T @ some.inputs, slopes.sum(dim=0)[:, None]], dim=1)))
    return told


def test_gradients_give_away_whose_they_are() -> None:
    """Of others' gradients the same attacks say nothing."""
    white, told = Whitened(POOL.inputs), gradients(POOL, 5)
    strangers = replace(POOL, member=torch.arange(100) % 5 != 1)
    for score in (in_span, part_of_sum):
        assert attacked(POOL, told, white, score).auroc > 0.9
    assert attacked(strangers, told, white, in_span).auroc < 0.65


def test_messages_that_span_all_features_say_nothing_and_it_is_said() -> None:
    """Each gradient of two classes has one direction: 120 features and a 1 for the bias take 121."""
    white, many = Whitened(POOL.inputs), gradients(POOL, 5)
    assert len(basis_of(many["site-0"], white)) == 5 and of_whole_span(5, 121) == []
    (said,) = of_whole_span(110, 121)
    assert "span 110 of 121 directions" in said and "the figure by the space says nothing" in said


def test_one_patients_update_is_their_features_and_a_batch_hides() -> None:
    alone, eight = read(POOL, 1, 1, 0), read(POOL, 8, 1, 0)
    assert alone.correlation > 0.999 and alone.named == 1.0
    assert eight.correlation < 0.8
    hidden = read(POOL, 1, 1, 0, Mechanism(120, 1, 0.3, 20.0))
    assert abs(hidden.correlation) < 0.2 and hidden.named < 0.2


def test_a_picture_is_read_from_the_update_of_one_and_hidden_by_others() -> None:
    likeness = {size: matched(*inverted(size, 1, iterations=150)) for size in (1, 4)}
    other = matched(drawn(1, 0), drawn(1, 1))
    assert likeness[1] > 0.95 > likeness[4] and likeness[1] > other + 0.3


def test_whether_a_graft_sees_pixels_is_said_by_name() -> None:
    assert "THIS PLAN'S GRAFT SEES PIXELS" in of_the_plan(INPUTS)
    assert "kept ends at stage 3" in of_the_plan("stage 3")
