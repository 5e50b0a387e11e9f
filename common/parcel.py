"""The content of a message in few pieces.

Flower sends every record and every array by calls of its own, each at 5 to 10 ms of the coordinator's processor and a
way there and back: a deep graft has hundreds, at every site, in every round. In a parcel, what is small is one value of
bytes in one record, and each record of many arrays that is not small is one array of bytes, so that equal records are
still sent to the coordinator once for all sites. The bytes are the protobuf messages in which Flower itself writes
records. A content without a parcel is as it was, and simulations, where nothing is sent, have none.
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
PARCEL, LARGE = "parcel", "parcel.large"
"""Names of records: what is small, together; and what is not, an array each."""
SMALL, TOGETHER, LARGEST = 1 << 18, 1 << 20, 1 << 30
"""Bytes of a record that is put with others; of these in all, since they travel in one piece; and of the largest that
is put into an array (protobuf ends at 2 GiB)."""
_BYTES = "bytes"


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
        if sum(sizes[name] for name in small) > TOGETHER:
            small = {}
        alone = {
            name: record
            for name, record in content.items()
            if name not in small and len(record) > 1 and sizes[name] <= LARGEST
        }
        rest = {name: record for name, record in content.items() if name not in small and name not in alone}
        packed: dict[str, Record] = {}
        if small:
            packed[PARCEL] = ConfigRecord({_BYTES: _written(small)})
        if alone:
            named = [(str(number), self._once(name, record)) for number, (name, record) in enumerate(alone.items())]
            packed[LARGE] = arrays.record_of(named)
        if _pieces(content.values()) <= _pieces([*packed.values(), *rest.values()]):
            return content
        return RecordDict({**packed, **rest})

    def _once(self, name: str, record: Record) -> Tensor:
        if id(record) not in self._written:
            self._written[id(record)] = torch.frombuffer(bytearray(_written({name: record})), dtype=torch.uint8)
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
    return PARCEL in content or LARGE in content


def unpack(content: RecordDict) -> RecordDict:
    """The content that was put into a parcel; one without a parcel is returned as it is.

    Raises:
        WireError: the parcel can't be read, or names a record twice.
    """
    if not is_packed(content):
        return content
    found = {name: record for name, record in content.items() if name not in (PARCEL, LARGE)}
    for written in _parts(content):
        records = _records_in(written)
        if found.keys() & records.keys():
            raise WireError("the message's parcel names a record twice")
        found |= records
    return RecordDict(found)


def _parts(content: RecordDict) -> Iterator[bytes]:
    if PARCEL in content:
        small = content[PARCEL]
        written = small.get(_BYTES) if isinstance(small, ConfigRecord) else None
        if not isinstance(written, bytes):
            raise WireError("the message's parcel is not made of bytes")
        yield written
    if LARGE in content:
        large = content[LARGE]
        if not isinstance(large, ArrayRecord):
            raise WireError("the message's parcel is not made of arrays")
        for array in large.values():
            values = arrays.read("the message's parcel", array)
            if values.dtype != np.uint8:
                raise WireError("the message's parcel is not made of bytes")
            yield values.tobytes()


def _written(records: dict[str, Record]) -> bytes:
    return bytes(recorddict_to_proto(RecordDict(records)).SerializeToString())


def _records_in(written: bytes) -> dict[str, Record]:
    try:
        content = recorddict_from_proto(ProtoRecordDict.FromString(written))
    except Exception as error:  # the bytes are the sender's: protobuf and Flower raise several kinds of error
        raise WireError("the message's parcel can't be read") from error
    if is_packed(content):
        raise WireError("the message's parcel holds a parcel")
    return dict(content.items())


def _pieces(records: Iterable[Record]) -> int:
    """How many pieces records are for Flower: each is one, and each array is two, with its bytes."""
    return sum(1 + 2 * len(record) * isinstance(record, ArrayRecord) for record in records)
