"""What a site that never trains may add to its answer to ``evaluate``: the classes it expects among its cases."""

from __future__ import annotations

from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of, is_count

PREVALENCE = "prevalence"
_COUNTS = "expected-counts"


def pack_prevalence(counts: tuple[int, ...] | None) -> RecordDict:
    """The records to add; none if the site does not tell it.

    Args:
        counts: expected training cases by class.
    """
    return RecordDict({} if counts is None else {PREVALENCE: ConfigRecord({_COUNTS: list(counts)})})


def unpack_prevalence(content: RecordDict, classes: int) -> tuple[int, ...] | None:
    """Expected cases by class; ``None`` if the site told none.

    Raises:
        WireError: they are not one whole number per class, or all are 0.
    """
    if PREVALENCE not in content:
        return None
    counts = config_of(content, PREVALENCE).get(_COUNTS)
    if not isinstance(counts, list) or len(counts) != classes or not all(is_count(count) for count in counts):
        raise WireError("an estimated prevalence must be one whole number of cases per class")
    if not any(counts):
        raise WireError("an estimated prevalence without a case is none")
    return tuple(int(count) for count in counts)
