"""Evaluations as arrays that are summed: every number of a task's record, and score histograms in joined bins.

A site that tells none adds zeros. In rounds 64 neighbouring bins of a score are joined (a bin is then 15 % of the score
wide; AUROC changes in the third digit), at the end 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, RecordDict
from numpy.typing import NDArray

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.records import config_of
from fedgraft.common.tasks.metrics import BINS
from fedgraft.common.wire import messages
from fedgraft.common.wire.summed.kind import Arrays, Totals

IN_ROUNDS, AT_THE_END = 64, 8
_BINS, _COUNTS = "bins", "counts"


def arrays_of(answer: RecordDict, task: AnyTask, joined: int) -> Arrays:
    """The evaluations of an answer, by split and key; zeros for a split that it does not have.

    Args:
        joined: how many neighbouring bins of a score count as one.
    """
    found: Arrays = {}
    for split in messages.SPLITS:
        key = f"{messages.LOCAL_METRICS}.{split}"
        record = config_of(answer, key) if key in answer else task.empty().pack()
        found |= {f"{split}.{name}": array for name, array in _arrays(record, task, joined).items()}
    return found


def evaluations_of(totals: Totals, task: AnyTask, joined: int) -> dict[str, Evaluation]:
    """The reverse, of a sum; without splits of which no site told a case.

    Raises:
        WireError: the sums are not those of evaluations.
    """
    found: dict[str, Evaluation] = {}
    for split in messages.SPLITS:
        some = {name.removeprefix(f"{split}."): total for name, total in totals.items() if name.startswith(f"{split}.")}
        evaluation = task.unpack(_record(some, task, joined)) if some else task.empty()
        if evaluation.cases:
            found[split] = evaluation
    return found


def _arrays(record: ConfigRecord, task: AnyTask, joined: int) -> Arrays:
    found: Arrays = {name: np.array(value, np.float64) for name, value in record.items() if not _is_bytes(value)}
    if _BINS in record:
        bins, counts = (np.frombuffer(_content(record, name), "<u4").astype(np.int64) for name in (_BINS, _COUNTS))
        size = len(task.scored) * 2 * BINS // joined
        found[_COUNTS] = np.bincount(bins // joined, counts, minlength=size).astype(np.float32)
    return found


def _content(record: ConfigRecord, name: str) -> bytes:
    value = record[name]
    assert isinstance(value, bytes)
    return b"" if value == b"\0" else value


def _is_bytes(value: Any) -> bool:
    return isinstance(value, bytes)


def _record(totals: Mapping[str, NDArray[np.float64]], task: AnyTask, joined: int) -> ConfigRecord:
    """The record of a sum, with the types of values that the task's own records have."""
    like, found = task.empty().pack(), ConfigRecord()
    for name, value in like.items():
        if name in (_BINS, _COUNTS):
            continue
        if name not in totals:
            raise WireError(f"the sums of evaluations lack `{name}`")
        found[name] = _typed(totals[name], value)
    if _BINS in like:
        counts = np.rint(totals[_COUNTS]).astype(np.int64)
        places = np.flatnonzero(counts > 0)
        bins = places * joined + joined // 2
        found[_BINS] = bins.astype("<u4").tobytes() or b"\0"
        found[_COUNTS] = counts[places].astype("<u4").tobytes() or b"\0"
    return found


def _typed(total: NDArray[np.float64], like: Any) -> Any:
    number = float if isinstance(like[0] if isinstance(like, list) else like, float) else round
    return [number(float(one)) for one in total] if isinstance(like, list) else number(float(total))
