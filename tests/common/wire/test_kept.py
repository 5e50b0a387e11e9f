"""Records on disk: what is read back packs to the same bytes. And the number of a run that goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.wire import arrays
from fedgraft.common.wire.kept import config_from, put_together, taken_apart, values_of
from fedgraft.common.wire.run_name import name_run, run_of, unnamed
from fedgraft.simulations.engine.grid import InProcessGrid


def content() -> RecordDict:
    named = [("w", torch.tensor([[1.5, -0.0]])), ("n", torch.tensor([3], dtype=torch.int8))]
    config = {"text": "a", "flag": True, "counts": [1, 2], "bins": b"\x00\xff", "many": [b"a", b""], "none": 0.1}
    return RecordDict(
        {
            "arrays": arrays.record_of(named),
            "metrics": MetricRecord({"loss": 0.1, "cases": 3, "list": [0.5, 1.0]}),
            "config": ConfigRecord(config),  # type: ignore[arg-type]
        }
    )


def test_a_message_comes_back_as_it_was() -> None:
    before = content()
    records, tensors = taken_apart(before)
    found = put_together(json.loads(json.dumps(records)), tensors)
    assert list(found) == ["arrays", "metrics", "config"]
    assert dict(found["config"]) == dict(before["config"])
    assert dict(found["metrics"]) == dict(before["metrics"])
    one, other = found["arrays"], before["arrays"]
    assert isinstance(one, ArrayRecord)
    assert isinstance(other, ArrayRecord)
    assert [(name, array.dtype, array.shape, array.data) for name, array in one.items()] == [
        (name, array.dtype, array.shape, array.data) for name, array in other.items()
    ]


def test_values_that_are_none_are_refused() -> None:
    with pytest.raises(WireError, match="kept values can't be read"):
        config_from({"bins": {"base64": "?"}})
    records, _ = taken_apart(content())
    with pytest.raises(WireError, match="a kept message can't be read"):
        put_together(records, {})


def test_numbers_keep_their_last_digit() -> None:
    values = {"loss": float(np.nextafter(0.1, 1))}
    assert dict(config_from(json.loads(json.dumps(values_of(ConfigRecord(values)))))) == values  # type: ignore[arg-type]


def test_a_run_that_goes_on_is_named_by_its_first_number() -> None:
    InProcessGrid(None, [], {})  # type: ignore[arg-type]  # so that messages can be made
    shared = RecordDict({"config": ConfigRecord({"plan": "p"})})
    messages = [Message(shared, node, "train") for node in (1, 2)]
    assert run_of(shared, 7) == 7
    name_run(messages, 2**63 + 5)
    assert run_of(messages[1].content, 7) == 2**63 + 5
    assert list(unnamed(shared)) == ["config"]


@pytest.mark.parametrize("text", ["-1", "1e3", "x", "9" * 21, "\u0663"])
def test_a_name_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="a run's number must be a whole number"):
        run_of(RecordDict({"run": ConfigRecord({"number": text})}), 1)
