"""Moments that can't be are refused, known ones outlast a round that gives none, and none at all end a run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import RoundError
from fedgraft.server.aggregation.moments import impossible, require_moments, with_known_moments


def moments(share: list[float], second: float = 1.0) -> dict[str, Tensor]:
    """Of two directions, with a covariance below 0, which is possible."""
    shares = torch.tensor(share)
    one = torch.tensor([[second, -0.5], [-0.5, 1.0]])
    return {"reference.share": shares, "reference.second": shares[:, None, None] * one, "head.bias": torch.tensor(-9.0)}


@pytest.mark.parametrize("share", [[0.0, 0.0], [1.0, 0.0], [0.25, 0.75], [0.3, 0.7005], [1.0]])
def test_what_a_site_can_give_is_taken(share: list[float]) -> None:
    assert impossible(moments(share)) == ""


def test_without_an_alignment_there_is_nothing_to_refuse() -> None:
    assert impossible({"head.bias": torch.tensor(-9.0)}) == ""


@pytest.mark.parametrize(
    ("share", "second", "words"),
    [
        ([-1000.0], 1.0, "a share of its training cases is below 0 or above 1"),
        ([1e30], 1.0, "a share of its training cases is below 0 or above 1"),
        ([1.5, -0.5], 1.0, "a share of its training cases is below 0 or above 1"),
        ([0.5, 0.4], 1.0, "the shares of its training cases sum up to neither 0 nor 1"),
        ([1.0, 1.0], 1.0, "the shares of its training cases sum up to neither 0 nor 1"),
        ([0.5, 0.5], -1.0, "a mean square of its features is negative"),
    ],
)
def test_what_no_site_can_have_is_refused(share: list[float], second: float, words: str) -> None:
    assert impossible(moments(share, second)) == words


def test_moments_of_no_case_are_refused() -> None:
    given = moments([1.0, 0.0]) | {"reference.first": torch.tensor([[1.0, 1.0], [0.0, 1e30]])}
    assert impossible(given) == "it gives moments of features of no training case"


def test_only_a_square_second_is_a_mean_square() -> None:
    assert impossible({"reference.share": torch.ones(1), "reference.second": torch.full((1, 2, 3), -1.0)}) == ""
    assert impossible({"reference.share": torch.ones(1), "reference.second": torch.full((1, 3), -1.0)}) == ""


def test_a_group_that_no_site_told_keeps_the_moments_of_the_round_before() -> None:
    before = {"reference.share": torch.tensor([0.5, 0.5]), "reference.first": torch.tensor([[1.0], [2.0]])}
    found = {"reference.share": torch.tensor([0.0, 0.25]), "reference.first": torch.tensor([[0.0], [3.0]])}
    kept = with_known_moments(found | {"head.bias": torch.ones(1)}, before | {"head.bias": torch.zeros(1)})
    assert kept["reference.share"].tolist() == [0.5, 0.25]
    assert kept["reference.first"].tolist() == [[1.0], [3.0]]
    assert kept["head.bias"].tolist() == [1.0]
    assert found["reference.share"].tolist() == [0.0, 0.25]
    assert with_known_moments({"head.bias": torch.ones(1)}, {"head.bias": torch.zeros(1)}) == {"head.bias": 1.0}


@pytest.mark.parametrize("may_follow", [False, True])
def test_an_alignment_to_nothing_is_an_error_unless_moments_may_follow(may_follow: bool) -> None:
    require_moments(1, {"head.weight": torch.zeros(2)}, may_follow)
    require_moments(1, {"reference.share": torch.tensor([0.0, 0.5])}, may_follow)
    nothing = {"reference.share": torch.zeros(2)}
    if may_follow:
        require_moments(1, nothing, may_follow)
    else:
        with pytest.raises(RoundError, match=r"round 1: alignment has no effect: no site released moments"):
            require_moments(1, nothing, may_follow)
