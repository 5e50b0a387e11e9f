"""Pack and unpack values of an evaluation; those that another machine sent are checked."""

from __future__ import annotations

import math

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray

from fedgraft.common.errors import WireError
from fedgraft.common.records import is_count
from fedgraft.common.tasks.metrics import BINS, Counts, Histograms


def pack_histograms(histograms: Histograms) -> dict[str, bytes]:
    """The filled bins and their counts as bytes, eight per bin."""
    return {
        "bins": histograms.bins.astype("<u4").tobytes() or b"\0",
        "counts": histograms.counts.astype("<u4").tobytes() or b"\0",
    }


def unpack_histograms(record: ConfigRecord, scores: int) -> Histograms:
    """Unpack histograms of ``scores`` scores.

    Raises:
        WireError: they are missing, or are not ascending bins with one count each.
    """
    bins, counts = _unsigned(record, "bins"), _unsigned(record, "counts")
    if len(bins) != len(counts) or (len(bins) and bins.max() >= scores * 2 * BINS):
        raise WireError("the score histogram does not fit the plan's classes")
    if (bins[1:] <= bins[:-1]).any():
        raise WireError("the score histogram must name each bin once, in ascending order")
    filled = counts > 0
    return Histograms(scores, bins[filled], counts[filled])


def counts_of(record: ConfigRecord, key: str, length: int, what: str) -> Counts:
    """``(length,)`` int64 under ``key``.

    Raises:
        WireError: it is not a list of ``length`` whole numbers; ``what`` is the error's text.
    """
    values = record.get(key)
    if not isinstance(values, list) or len(values) != length or not all(map(is_count, values)):
        raise WireError(f"the {what}")
    return np.array(values, np.int64)


def finite_of(record: ConfigRecord, key: str) -> float:
    """The finite number under ``key``.

    Raises:
        WireError: there is none.
    """
    value = record.get(key)
    if not isinstance(value, float) or not math.isfinite(value):
        raise WireError("the evaluation loss is not a finite number")
    return value


def _unsigned(record: ConfigRecord, key: str) -> NDArray[np.int64]:
    value = record.get(key)
    if not isinstance(value, bytes) or (len(value) % 4 and value != b"\0"):
        raise WireError(f"the evaluation lacks `{key}`")
    return np.frombuffer(b"" if value == b"\0" else value, "<u4").astype(np.int64)
