"""The reference's buffers: which there are, what they are worth, and that what is drawn does not travel."""

from __future__ import annotations

import pytest
import torch

from fedgraft.common.alignment.adversarial import Adversarial
from fedgraft.common.alignment.coral import Coral
from fedgraft.common.alignment.mmd import Mmd
from fedgraft.common.interfaces.alignment import Reference


def test_it_starts_at_zero_and_knows_nothing() -> None:
    reference = Reference(2, {"first": (3,)}, torch.nn.Identity())
    assert {name: tuple(t.shape) for name, t in reference.state_dict().items()} == {"share": (2,), "first": (2, 3)}
    assert reference.means() == {}


def test_a_mean_is_a_sum_over_all_cases_divided_by_the_group_s_share() -> None:
    """Group 1 has one of four cases, group 0 three; what is put in are sums over them."""
    reference = Reference(3, {"first": (1,)}, torch.nn.Identity())
    sums = {0: {"first": torch.tensor([6.0])}, 1: {"first": torch.tensor([5.0])}}
    reference.fill({0: 3, 1: 1}, sums)
    assert reference.share.tolist() == [0.75, 0.25, 0.0]
    assert reference.get_buffer("first").flatten().tolist() == [1.5, 1.25, 0.0]
    assert {group: means["first"].tolist() for group, means in reference.means().items()} == {0: [2.0], 1: [5.0]}
    reference.fill({}, {})
    assert reference.means() == {}


@pytest.mark.parametrize(
    ("alignment", "width", "shapes"),
    [
        (Coral(4, True, True), 9, {"share": (2,), "first": (2, 4), "second": (2, 4, 4)}),
        (Coral(64, True, True), 9, {"share": (2,), "first": (2, 9), "second": (2, 9, 9)}),
        (Mmd((0.5, 1.0), 10, True), 9, {"share": (2,), "embedding": (2, 40)}),
        (Adversarial(4, True, 8, 0.1), 9, {"share": (2,), "first": (2, 4), "second": (2, 4, 4)}),
    ],
    ids=["coral", "coral of all", "mmd", "adversarial"],
)
def test_what_travels(alignment: Coral | Mmd | Adversarial, width: int, shapes: dict[str, tuple[int, ...]]) -> None:
    reference = alignment.reference(width, 2)
    own = {name for name, _ in reference.named_parameters()}
    held = {name: tuple(tensor.shape) for name, tensor in reference.state_dict().items() if name not in own}
    assert held == shapes
    assert all(name.startswith("discriminator.") for name in own)


def test_all_sites_draw_the_same() -> None:
    for one, other in ((Coral(4, True, True), Coral(4, True, True)), (Mmd((1.0,), 8, True), Mmd((1.0,), 8, True))):
        features = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
        assert torch.equal(one.reference(9, 1).space(features), other.reference(9, 1).space(features))
