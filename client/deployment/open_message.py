"""The message that this site took and has not answered yet, on disk, so that a site that was killed answers it later.

The coordinator waits for an answer to each message that a site took. If all of the site's processes are killed, nobody
there knows of the message any more; this file does. It has a fixed size and is written in its place: a disk that is
full by then does not matter. It holds the message's numbers, no content.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from flwr.app import Message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto

_SIZE = 4096
_HEAD = struct.Struct("<II")  # length and CRC-32 of what follows


@dataclass(frozen=True)
class OpenMessage:
    """The file ``open-message`` in a site's state folder."""

    path: Path

    def prepare(self) -> None:
        """Make the file, while there is space for it; what it holds stays."""
        with contextlib.suppress(OSError):
            if not self.path.is_file() or self.path.stat().st_size != _SIZE:
                self._write(b"")

    def keep(self, message: Message) -> None:
        """Write down that a message was taken."""
        proto = message_to_proto(message)
        proto.content.Clear()  # it stays there, empty
        proto.content.SetInParent()
        self._write(proto.SerializeToString())

    def forget(self) -> None:
        """The message was answered."""
        self._write(b"")

    def left(self) -> Message | None:
        """The message that was taken and not answered; ``None`` if there is none, or nobody waits for it any more."""
        try:
            content = self.path.read_bytes()
            length, check = _HEAD.unpack_from(content)
        except (OSError, struct.error):
            return None
        body = content[_HEAD.size : _HEAD.size + length]
        if not body or zlib.crc32(body) != check:
            return None
        message = message_from_proto(MessageProto.FromString(body))
        expires = message.metadata.created_at + message.metadata.ttl
        return message if time.time() < expires else None

    def _write(self, body: bytes) -> None:
        content = (_HEAD.pack(len(body), zlib.crc32(body)) + body).ljust(_SIZE, b"\0")
        with contextlib.suppress(OSError):  # then a killed site can't answer it, and the coordinator's deadline must do
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(descriptor, content, 0)
            finally:
                os.close(descriptor)
