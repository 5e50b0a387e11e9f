"""The folded mean: by hand, and against Flower's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from fedgraft.server.aggregation.mean import weighted_mean


def test_five_numbers_by_hand() -> None:
    """Two sites of 10 and 30 cases: (1, 2, 3) and (5, 6, 7) give a quarter and three quarters."""
    one = {"w": torch.tensor([1.0, 2.0, 3.0]), "b": torch.tensor(0.0)}
    other = {"w": torch.tensor([5.0, 6.0, 7.0]), "b": torch.tensor(4.0)}
    mean = weighted_mean([(one, 10), (other, 30)])
    assert mean["w"].tolist() == [4.0, 5.0, 6.0]
    assert mean["b"].item() == 3.0


def test_one_update_is_its_own_mean_and_is_not_written_to() -> None:
    one = {"w": torch.tensor([0.1, 0.2])}
    mean = weighted_mean([(one, 7)])
    torch.testing.assert_close(mean["w"], one["w"])
    mean["w"] += 1
    assert one["w"].tolist() == pytest.approx([0.1, 0.2])


def test_what_is_not_floating_point_is_averaged_in_double() -> None:
    mean = weighted_mean([({"n": torch.tensor([1, 4])}, 1), ({"n": torch.tensor([2, 4])}, 1)])
    assert mean["n"].dtype == torch.float64 and mean["n"].tolist() == [1.5, 4.0]


@pytest.mark.parametrize("sites", [1, 2, 17])
def test_it_is_bit_for_bit_what_flower_computes(sites: int) -> None:
    rng = np.random.default_rng(sites)
    updates = [
        ({"a": rng.normal(size=(4, 5)).astype(np.float32), "b": rng.normal(size=3).astype(np.float32)}, int(n))
        for n in rng.integers(1, 5000, sites)
    ]
    records = [
        RecordDict(
            {
                "arrays": ArrayRecord({name: Array(value) for name, value in arrays.items()}),
                "metrics": MetricRecord({"num-examples": n}),
            }
        )
        for arrays, n in updates
    ]
    theirs = aggregate_arrayrecords(records, "num-examples")
    ours = weighted_mean([({name: torch.from_numpy(v) for name, v in arrays.items()}, n) for arrays, n in updates])
    for name, value in ours.items():
        assert np.array_equal(value.numpy(), theirs[name].numpy())
