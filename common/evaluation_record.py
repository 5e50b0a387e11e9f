"""An evaluation as a Flower record and back: confusion counts, and the filled bins of the score histograms."""

from __future__ import annotations

import math

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray

from fedgraft.common.errors import WireError
from fedgraft.common.metrics import BINS, Evaluation, bins_of, scored_classes
from fedgraft.common.record_values import is_count


def pack_evaluation(evaluation: Evaluation) -> ConfigRecord:
    """Eight bytes per filled bin, and one number per pair of classes."""
    return ConfigRecord(
        {
            "confusion": [int(n) for n in evaluation.confusion.reshape(-1)],
            "bins": evaluation.bins.astype("<u4").tobytes() or b"\0",
            "counts": evaluation.counts.astype("<u4").tobytes() or b"\0",
            "loss-sum": float(evaluation.loss_sum),
        }
    )


def unpack_evaluation(record: ConfigRecord, classes: int) -> Evaluation:
    """Read what another machine sent.

    Raises:
        WireError: a key is missing, or the counts do not fit the classes or each other.
    """
    confusion, loss_sum = record.get("confusion"), record.get("loss-sum")
    if not isinstance(confusion, list) or len(confusion) != classes**2 or not all(map(is_count, confusion)):
        raise WireError("the confusion counts must be one whole number per pair of classes")
    if not isinstance(loss_sum, float) or not math.isfinite(loss_sum):
        raise WireError("the evaluation loss is not a finite number")
    bins, counts = _unsigned(record, "bins"), _unsigned(record, "counts")
    if len(bins) != len(counts) or (len(bins) and bins.max() >= bins_of(classes)):
        raise WireError("the score histogram does not fit the number of classes")
    if (np.diff(bins) <= 0).any():
        raise WireError("the score histogram must name each bin once, in ascending order")
    table = np.array(confusion, np.int64).reshape(classes, classes)
    sides = np.bincount(bins // BINS, counts, minlength=bins_of(classes) // BINS).reshape(-1, 2)
    if (sides.sum(axis=1) != table.sum()).any():
        raise WireError("the score histogram and the confusion counts disagree on the number of cases")
    if (sides[:, 1] != table.sum(axis=1)[list(scored_classes(classes))]).any():
        raise WireError("the score histogram and the confusion counts disagree on the cases of a class")
    return Evaluation(table, bins[counts > 0], counts[counts > 0], loss_sum)


def _unsigned(record: ConfigRecord, key: str) -> NDArray[np.int64]:
    value = record.get(key)
    if not isinstance(value, bytes) or (len(value) % 4 and value != b"\0"):
        raise WireError(f"the evaluation lacks `{key}`")
    return np.frombuffer(b"" if value == b"\0" else value, "<u4").astype(np.int64)
