"""Flower records as tensors and JSON, to keep them on disk: what is read back packs to the same bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.wire import arrays

_BYTES = "base64"
_CONFIG, _METRICS, _ARRAYS = "config", "metrics", "arrays"


def values_of(record: ConfigRecord | MetricRecord) -> dict[str, Any]:
    """The values of a record as JSON has them; bytes as an object with one key, ``base64``."""
    return {name: _plain(value) for name, value in record.items()}


def config_from(values: Mapping[str, Any]) -> ConfigRecord:
    """The reverse of `values_of`.

    Raises:
        WireError: they are no values of a record.
    """
    try:
        return ConfigRecord({str(name): _value(value) for name, value in values.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise WireError("kept values can't be read") from error


def taken_apart(content: RecordDict) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A message's content as JSON and tensors (named ``record/array``)."""
    records: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            found = {key: torch.from_numpy(arrays.read("an array", array).copy()) for key, array in record.items()}
            records[name] = {"kind": _ARRAYS, "names": list(found)}
            tensors |= {f"{name}/{key}": tensor for key, tensor in found.items()}
        else:
            kind = _METRICS if isinstance(record, MetricRecord) else _CONFIG
            records[name] = {"kind": kind, "values": values_of(record)}
    return records, tensors


def put_together(records: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> RecordDict:
    """The reverse of `taken_apart`.

    Raises:
        WireError: they do not belong together.
    """
    content = RecordDict()
    try:
        for name, one in records.items():
            if one["kind"] == _ARRAYS:
                content[name] = arrays.record_of((key, tensors[f"{name}/{key}"]) for key in one["names"])
            elif one["kind"] == _METRICS:
                content[name] = MetricRecord(dict(one["values"]))
            else:
                content[name] = config_from(one["values"])
    except (KeyError, TypeError, ValueError) as error:
        raise WireError("a kept message can't be read") from error
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode("ascii")}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return base64.b64decode(value[_BYTES], validate=True)
    return [_value(one) for one in value] if isinstance(value, list) else value
