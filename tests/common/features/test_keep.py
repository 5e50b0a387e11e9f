"""Features ranked by sums: as scikit-learn ranks the cases themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_selection import f_classif
from torch import nn

from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.features.keep import (
    KEPT,
    Kept,
    best,
    between_classes,
    by_group,
    keep_of,
    ranking_sums,
    require_places,
)
from fedgraft.common.interfaces.features import Group

GROUPS = (Group("blocks.0", 3), Group("blocks.1", 1), Group("blocks.2", 4))


def test_the_share_of_variance_by_hand() -> None:
    """Classes {0, 2} and {4, 6}: mean 3, between 4 * 2^2 = 16, whole 9 + 1 + 1 + 9 = 20; then no difference, nothing
    but difference, and a constant number."""
    first, second, third = [0.0, 2.0, 4.0, 6.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 3.0, 3.0]
    features = torch.tensor([first, second, third, [7.0] * 4]).T
    sums = ranking_sums(features, torch.tensor([0, 0, 1, 1]), 2)
    assert sums["squares"].tolist() == [56.0, 2.0, 20.0, 196.0]
    torch.testing.assert_close(between_classes(sums), torch.tensor([0.8, 0.0, 1.0, 0.0]).double())


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_it_is_the_f_statistic_of_scikit_learn(offset: float) -> None:
    """Of three classes, one of them rare, and of a class that nobody has."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 40 + [1] * 30 + [2] * 5)
    features = (
        torch.randn(75, 12, generator=generator).double() + torch.outer(labels, torch.linspace(0, 1, 12)).double()
    )
    sums = ranking_sums(features + offset, labels, 4)
    share = between_classes(sums)
    expected, _ = f_classif((features + offset).numpy(), labels.numpy())
    np.testing.assert_allclose(share / (1 - share) * (75 - 3) / (3 - 1), expected, rtol=1e-5)
    assert best(share, 5).tolist() == sorted(np.argsort(-expected)[:5])


def test_of_equal_ones_the_first() -> None:
    assert best(torch.tensor([0.1, 0.5, 0.5, 0.9, 0.5]), 3).tolist() == [1, 2, 3]


def test_the_module_passes_those_on_that_it_is_given() -> None:
    kept = keep_of(2, GROUPS)
    features = torch.arange(8.0)[None].repeat(3, 1)
    assert kept(features)[0].tolist() == [0.0, 1.0]
    kept.get_buffer(KEPT).copy_(torch.tensor([3, 6]))
    assert kept(features)[1].tolist() == [3.0, 6.0]
    assert isinstance(kept, Kept) and kept.roles == {KEPT: "given"}
    assert isinstance(keep_of(None, GROUPS), nn.Identity)


@pytest.mark.parametrize("keep", [8, 9])
def test_a_choice_that_leaves_nothing_out_is_refused(keep: int) -> None:
    words = f"features.keep={keep} leaves nothing out: there are 8 features; use fewer, or null"
    with pytest.raises(PlanError, match=words):
        keep_of(keep, GROUPS)


@pytest.mark.parametrize("kept", [[0, 8], [-1, 2], [2, 1], [3, 3]])
def test_a_choice_from_elsewhere_is_checked(kept: list[int]) -> None:
    words = "the features to keep must be places among all features, in ascending order"
    with pytest.raises(WireError, match=words):
        require_places(torch.tensor(kept), 8)
    require_places(torch.tensor([0, 7]), 8)


def test_how_many_come_from_each_group() -> None:
    assert by_group(torch.tensor([0, 2, 3, 7]), GROUPS) == {"blocks.0": 2, "blocks.1": 1, "blocks.2": 1}
    assert by_group(torch.tensor([4, 5]), GROUPS) == {"blocks.0": 0, "blocks.1": 0, "blocks.2": 2}
