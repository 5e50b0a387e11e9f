"""Inner products of updates, against plain numpy; lengths over the tensors that are not trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgraft.common.robust import products
from fedgraft.server.bounds.gram import lengths_of_others, products_of

NAMES = {"head.weight": (3, 50), "head.bias": (7,), "bn.running_mean": (4,), "bn.running_var": (4,)}


def drawn(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in NAMES.items()}


def test_products_in_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_AT_ONCE", 64)
    sent, came = drawn(0), [drawn(seed) for seed in (1, 2, 3)]
    names = ["head.weight", "head.bias"]
    moved = [np.concatenate([(one[n].double() - sent[n].double()).flatten().numpy() for n in names]) for one in came]
    np.testing.assert_allclose(products_of(came, sent, names), np.array(moved) @ np.array(moved).T, rtol=1e-12)


def test_lengths_of_what_no_gradient_moves() -> None:
    """Statistics that moved by (3, 0, 0, 0) and (0, 4, 0, 0): 5 in all. Where there are none, 0."""
    sent = drawn(0)
    came = {name: tensor.clone() for name, tensor in sent.items()}
    came["bn.running_mean"][0] += 3
    came["bn.running_var"][1] += 4
    came["head.bias"] += 100
    assert lengths_of_others([came, sent], sent) == pytest.approx([5.0, 0.0], rel=1e-6)
    assert lengths_of_others([{"head.bias": torch.ones(2)}], {"head.bias": torch.zeros(2)}) == [0.0]
