"""Records that are filled directly are those that Flower makes, on the wire too."""

from __future__ import annotations

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.common.serde import recorddict_to_proto

from fedgraft.common.records import own_content, own_metrics, own_record


def test_a_content_made_here_is_that_of_flower() -> None:
    config = {"name": "north", "round": 3, "shares": [0.5, 0.25], "bins": b"\1\0", "has": True}
    figures, arrays = {"num-examples": 30, "train-loss": 0.5}, ArrayRecord([np.arange(3.0)])
    own = own_content({"arrays": arrays, "metrics": own_metrics(figures), "site": own_record(config)})
    flower = RecordDict({"arrays": arrays, "metrics": MetricRecord(figures), "site": ConfigRecord(config)})
    assert own == flower
    assert list(own) == list(flower)
    wire = recorddict_to_proto(own).SerializeToString(deterministic=True)
    assert wire == recorddict_to_proto(flower).SerializeToString(deterministic=True)
