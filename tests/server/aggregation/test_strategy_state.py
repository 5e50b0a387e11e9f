"""What a strategy has learnt survives being written down."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import FedAdam, FedAvg

from fedgraft.common.errors import CheckpointError
from fedgraft.server.aggregation.strategy_state import Kept, keep, restore


def test_moments_norms_and_nested_strategies_come_back() -> None:
    inner, outer = FedAdam(eta=0.1), FedAvg()
    inner.m_t = {"w": np.array([1.5, -2.0])}
    inner.current_arrays = {"w": np.array([[3.0]], np.float32)}
    outer.inside = inner  # type: ignore[attr-defined]
    outer.norms = (np.float32(0.25), [1, None, "x"], torch.tensor([7]))  # type: ignore[attr-defined]
    outer.arrays = ArrayRecord({"a": Array(np.array([4.0]))})  # type: ignore[attr-defined]
    found: Any = FedAvg()
    found.inside = FedAdam(eta=0.9)
    restore(found, keep(outer))
    assert found.inside.eta == 0.1
    assert found.inside.m_t["w"].tolist() == [1.5, -2.0]
    assert found.inside.current_arrays["w"].dtype == np.float32
    assert found.norms[0] == np.float32(0.25)
    assert isinstance(found.norms[0], np.float32)
    assert found.norms[1] == [1, None, "x"]
    assert found.norms[2].tolist() == [7]
    assert found.arrays["a"].numpy().tolist() == [4.0]


def test_noise_goes_on_where_it_was() -> None:
    before_numpy, before_python = np.random.get_state(), random.getstate()
    try:
        kept = keep(FedAvg())
        expected = (np.random.normal(size=3).tolist(), random.random())
        np.random.normal(size=5)
        restore(FedAvg(), kept)
        assert (np.random.normal(size=3).tolist(), random.random()) == expected
    finally:
        np.random.set_state(before_numpy)
        random.setstate(before_python)


def test_functions_stay_as_the_plan_builds_them() -> None:
    found: Any = FedAvg()
    ours = found.train_metrics_aggr_fn
    restore(found, keep(FedAvg(train_metrics_aggr_fn=lambda records, key: records[0]["metrics"])))  # type: ignore[arg-type, return-value]
    assert found.train_metrics_aggr_fn is ours


def test_nothing_kept_changes_nothing() -> None:
    found = FedAdam(eta=0.3)
    restore(found, Kept())
    assert found.eta == 0.3


def test_what_cannot_be_written_is_named() -> None:
    strategy: Any = FedAvg()
    strategy.memory = {"lock": object()}
    with pytest.raises(CheckpointError, match="keeps a object in memory/0, which can't be written to a checkpoint"):
        keep(strategy)
