"""A head that starts at zero."""

from __future__ import annotations

import torch

from fedgraft.common.heads.heads import MLP, Cosine, Linear
from fedgraft.common.heads.start import Zeros, no_sums
from fedgraft.common.interfaces.head_start import StartsFromSums


def test_every_tensor_is_zero_and_nothing_is_asked() -> None:
    part = Zeros()
    assert not isinstance(part, StartsFromSums)
    assert no_sums(part, {"weight": torch.ones(2, 3)}, 2) == {}
    found = part.head({}, {"weight": torch.ones(2, 3), "bias": torch.ones(2)})
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"weight": [[0] * 3] * 2, "bias": [0, 0]}


def test_a_head_that_would_not_learn_from_zero_is_refused() -> None:
    assert Zeros.misfit(Linear(2, 2, normalise=True), {}) == ""
    for head in (Cosine(2, 2, scale=16.0), MLP(2, 2, 4, 0.0, True)):
        assert f"zeros would leave head={type(head).__name__.lower()} nothing to learn from" in Zeros.misfit(head, {})
