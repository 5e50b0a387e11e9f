"""Read values from a record that another machine sent, checking presence and type; and make one."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fedgraft.common.errors import WireError

MOST = 10**9
"""The largest count that is accepted."""


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 to `MOST`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


Value = int | float | str | bytes | list[int] | list[float] | list[str] | list[bytes]


def own_record(values: Mapping[str, Value]) -> ConfigRecord:
    """A record of values that were made here.

    It is filled directly: Flower's constructor looks up the types of each value anew, which takes longer than all else.
    Whoever reads it checks them.
    """
    record = ConfigRecord()
    record.__dict__["_data"].update(values)
    return record


def own_metrics(values: Mapping[str, int | float]) -> MetricRecord:
    """As `own_record`, a record of numbers."""
    record = MetricRecord()
    record.__dict__["_data"].update(values)
    return record


def own_content(records: Mapping[str, ArrayRecord | ConfigRecord | MetricRecord]) -> RecordDict:
    """As `own_record`, a message's content of records."""
    content = RecordDict()
    content.__dict__["_data"].update(records)
    return content


def config_of(content: RecordDict, key: str) -> ConfigRecord:
    """The ConfigRecord under ``key``.

    Raises:
        WireError: there is none.
    """
    record = content.get(key)
    if not isinstance(record, ConfigRecord):
        raise WireError(f"the message lacks `{key}`")
    return record


def text_of(record: ConfigRecord, key: str) -> str:
    """The text under ``key``.

    Raises:
        WireError: there is none, or it is empty.
    """
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise WireError(f"the message lacks `{key}`")
    return value


def count_of(record: ConfigRecord, key: str) -> int:
    """The count under ``key``.

    Raises:
        WireError: there is none.
    """
    value = record.get(key)
    if not is_count(value):
        raise WireError(f"`{key}` must be a whole number")
    return int(value)  # type: ignore[arg-type]
