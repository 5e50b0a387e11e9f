"""The content of a message in few pieces.

Flower sends every record and every array by calls of its own, each at 5 to 10 ms of the coordinator's processor and a
way there and back: a deep graft has hundreds, at every site, in every round. In a parcel, what is small is one array of
bytes, and so is each record of many arrays that is not, so that equal records are still sent to the coordinator once
for all sites. The bytes are the protobuf messages in which Flower itself writes records. A content without a parcel is
as it was, and simulations, where nothing is sent, have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.proto.recorddict_pb2 import RecordDict as ProtoRecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.wire import arrays
from fedgraft.common.wire.messages import count_bytes

Record = ArrayRecord | ConfigRecord | MetricRecord
PARCEL = "parcel"
SMALL, LARGEST = 1 << 18, 1 << 30
"""Bytes of records that are put together, and of the largest that is put into an array (protobuf ends at 2 GiB)."""
_TOGETHER = "together"


class Packing:
    """Puts contents into parcels. A record that several contents share is written once; they must live as long."""

    def __init__(self) -> None:
        self._contents: dict[int, RecordDict] = {}
        self._written: dict[int, Tensor] = {}

    def pack(self, content: RecordDict) -> RecordDict:
        """The content in a parcel, or as it is if a parcel has no fewer pieces."""
        if id(content) not in self._contents:
            self._contents[id(content)] = self._packed(content)
        return self._contents[id(content)]

    def _packed(self, content: RecordDict) -> RecordDict:
        sizes = {name: count_bytes(RecordDict({name: record})) for name, record in content.items()}
        small = {name: record for name, record in content.items() if sizes[name] <= SMALL}
        alone = {
            name: record
            for name, record in content.items()
            if name not in small and len(record) > 1 and sizes[name] <= LARGEST
        }
        rest = {name: record for name, record in content.items() if name not in small and name not in alone}
        if _pieces(content.values()) <= 1 + 2 * (bool(small) + len(alone)) + _pieces(rest.values()):
            return content
        written = [(_TOGETHER, _bytes_of(small))] if small else []
        written += [(str(number), self._once(name, record)) for number, (name, record) in enumerate(alone.items())]
        return RecordDict({PARCEL: arrays.record_of(written), **rest})

    def _once(self, name: str, record: Record) -> Tensor:
        if id(record) not in self._written:
            self._written[id(record)] = _bytes_of({name: record})
        return self._written[id(record)]


@contextmanager
def in_parcels(messages: Sequence[Message]) -> Iterator[None]:
    """Within the block the messages' contents are in parcels."""
    packing, contents = Packing(), [message.content for message in messages]
    for message, content in zip(messages, contents, strict=True):
        message.content = packing.pack(content)
    try:
        yield
    finally:
        for message, content in zip(messages, contents, strict=True):
            message.content = content


def is_packed(content: RecordDict) -> bool:
    """Whether a content came in a parcel."""
    return PARCEL in content


def unpack(content: RecordDict) -> RecordDict:
    """The content that was put into a parcel; one without a parcel is returned as it is.

    Raises:
        WireError: the parcel can't be read, or names a record twice.
    """
    if not is_packed(content):
        return content
    rest = {name: record for name, record in content.items() if name != PARCEL}
    parcel = content[PARCEL]
    if not isinstance(parcel, ArrayRecord):
        raise WireError("the message's parcel is not made of arrays")
    for array in parcel.values():
        found = _records_in(arrays.read("the message's parcel", array))
        if rest.keys() & found.keys():
            raise WireError("the message's parcel names a record twice")
        rest |= found
    return RecordDict(rest)


def _bytes_of(records: dict[str, Record]) -> Tensor:
    written = recorddict_to_proto(RecordDict(records)).SerializeToString()
    return torch.frombuffer(bytearray(written), dtype=torch.uint8)


def _records_in(values: arrays.Numbers) -> dict[str, Record]:
    if values.dtype != np.uint8:
        raise WireError("the message's parcel is not made of bytes")
    try:
        content = recorddict_from_proto(ProtoRecordDict.FromString(values.tobytes()))
    except Exception as error:  # the bytes are the sender's: protobuf and Flower raise several kinds of error
        raise WireError("the message's parcel can't be read") from error
    if PARCEL in content:
        raise WireError("the message's parcel holds a parcel")
    return dict(content.items())


def _pieces(records: Iterable[Record]) -> int:
    """How many pieces records are for Flower: each is one, and each array is two, with its bytes."""
    return sum(1 + 2 * len(record) * isinstance(record, ArrayRecord) for record in records)
