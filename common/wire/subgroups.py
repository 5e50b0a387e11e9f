"""A site's evaluations by subgroup of its test cases: a part of its answer to ``evaluate``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.records import config_of

E = TypeVar("E")
ByGroup = dict[str, dict[str, E]]
"""By column and subgroup."""

_NAMES, _ONE = "subgroups", "subgroup"
MOST, LONGEST = 30, 60
"""Subgroups of a column, and characters of a name."""


def pack_subgroups(found: Mapping[str, Mapping[str, Evaluation]]) -> RecordDict:
    """What is added to an answer; nothing without subgroups."""
    pairs = [(column, group) for column, groups in sorted(found.items()) for group in sorted(groups)]
    record = RecordDict()
    if pairs:
        record[_NAMES] = ConfigRecord({"columns": [c for c, _ in pairs], "groups": [g for _, g in pairs]})
    for place, (column, group) in enumerate(pairs):
        record[f"{_ONE}.{place}"] = found[column][group].pack()
    return record


def unpack_subgroups(content: RecordDict, task: AnyTask, columns: Collection[str]) -> ByGroup[Evaluation]:
    """Read them from an answer; empty if it has none.

    Args:
        columns: that the plan asks for.

    Raises:
        WireError: a column was not asked for, a name is no short printable text or comes twice, there are too many, or
            an evaluation can't be read.
    """
    if _NAMES not in content:
        return {}
    record = config_of(content, _NAMES)
    names, groups = record.get("columns"), record.get("groups")
    if not isinstance(names, list) or not isinstance(groups, list) or len(names) != len(groups):
        raise WireError("subgroups need a column and a name each")
    found: ByGroup[Evaluation] = {}
    for place, (column, group) in enumerate(zip(names, groups, strict=True)):
        if column not in columns:
            raise WireError("a subgroup is of a column that the plan does not ask for")
        of_column = found.setdefault(str(column), {})
        if not is_name(group) or group in of_column or len(of_column) >= MOST:
            raise WireError(f"a column can have {MOST} subgroups, each with a short printable name of its own")
        of_column[str(group)] = task.unpack(config_of(content, f"{_ONE}.{place}"))
    return found


def is_name(group: object) -> bool:
    """Whether this can be the name of a subgroup."""
    return isinstance(group, str) and 0 < len(group) <= LONGEST and group.isprintable()
