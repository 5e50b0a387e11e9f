"""The answer that is being sent, on disk: a site that is killed meanwhile sends the rest of it when it is back.

The coordinator has the answer's head as soon as the sending begins, and then takes no other answer to that message.
Flower's objects are named by the digests of their content, so that what comes twice counts once.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flwr.app import Message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_object_id

from fedgraft.common.runtime.files import replacing

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Answer:
    """A reply as a SuperNode holds it: the head, the names of its objects, and their content by name."""

    reply: Message
    tree: ObjectTree
    objects: dict[str, bytes]


@dataclass(frozen=True)
class KeptAnswer:
    """The file ``answer`` in a site's state folder."""

    path: Path

    def keep(self, answer: Answer) -> None:
        """Write down an answer. With a full disk it is sent without that."""
        parts = [message_to_proto(answer.reply).SerializeToString(), answer.tree.SerializeToString()]
        with contextlib.suppress(OSError), replacing(self.path, private=True) as partial, partial.open("wb") as stream:
            for part in (*parts, *answer.objects.values()):
                stream.write(_LENGTH.pack(len(part)))
                stream.write(part)

    def forget(self) -> None:
        """The answer has arrived."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def to(self, question: str) -> Answer | None:
        """The answer to a message, by its id; ``None`` if it is not there or not whole."""
        try:
            with self.path.open("rb") as stream:
                head, tree, *contents = _parts(stream)
        except (OSError, ValueError):
            return None
        reply = message_from_proto(MessageProto.FromString(head))
        objects = {get_object_id(content): content for content in contents}
        answer = Answer(reply, ObjectTree.FromString(tree), objects)
        whole = set(_names(answer.tree)) == set(objects)
        return answer if whole and reply.metadata.reply_to_message_id == question else None


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    """
    Raises:
        ValueError: the file ends too early.
    """
    while head := stream.read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise ValueError("it ends too early")
        part = stream.read(_LENGTH.unpack(head)[0])
        if len(part) < _LENGTH.unpack(head)[0]:
            raise ValueError("it ends too early")
        yield part


def _names(tree: ObjectTree) -> Iterator[str]:
    yield tree.object_id
    for child in tree.children:
        yield from _names(child)
