"""Read parts of a DICOM file, a header and one frame, without loading the whole file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Any

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.site.limits import Limits

CHUNK = 16_384
UNKNOWN = 1 << 62
STEPS = 1_000_000
"""The most elements, items and fragments that are stepped over in one file; takes a second or two."""

ReadAt = Callable[[int, int], bytes]


class ByteSource:
    """A range of bytes that can be read at any offset.

    Args:
        read_at: ``(offset, count) -> bytes``; fewer than ``count`` only at the end.
        size: number of bytes.
        deflated: whether the bytes are inflated while they are read; ``size`` is then unknown and set to `UNKNOWN`.
    """

    def __init__(self, read_at: ReadAt, size: int, *, deflated: bool = False) -> None:
        self.size = size
        self.deflated = deflated
        self._read_at = read_at
        self._chunk, self._base = b"", 0
        self._steps = 0

    def step(self) -> None:
        """Count an element, item or fragment that is stepped over.

        Raises:
            CaseError: ``too-large``: there have been more than `STEPS`.
        """
        self._steps += 1
        if self._steps > STEPS:
            raise CaseError("too-large", f"the file has more than {STEPS} elements, items and fragments")

    def unpack(self, layout: Struct, offset: int) -> tuple[Any, ...]:
        """Unpack the bytes at ``offset``.

        Raises:
            CaseError: ``damaged``: the file ends before.
        """
        start = offset - self._base
        if start < 0 or start + layout.size > len(self._chunk):
            self._chunk, self._base, start = self._read_at(offset, CHUNK), offset, 0
            if len(self._chunk) < layout.size:
                raise CaseError("damaged", "the file ends inside an element")
        return layout.unpack_from(self._chunk, start)

    def bytes(self, offset: int, count: int) -> bytes:
        """Read ``count`` bytes, which the caller must have checked against the limits.

        Raises:
            CaseError: ``damaged``: there are fewer.
        """
        start = offset - self._base
        if start >= 0 and start + count <= len(self._chunk):
            return self._chunk[start : start + count]
        if offset + count > self.size:
            raise CaseError("damaged", "the file ends before the length that an element states")
        read = self._read_at(offset, count)
        if len(read) < count:
            raise CaseError("damaged", "the file ends before the length that an element states")
        return read


@contextmanager
def opened(path: Path) -> Iterator[ByteSource]:
    """Open a file as a `ByteSource` within the block.

    Raises:
        CaseError: ``missing``: it does not exist, is no regular file, or can't be opened.
    """
    try:
        if not path.is_file():  # a pipe or a device would block
            raise CaseError("missing")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError):
        raise CaseError("missing") from None
    with os.fdopen(descriptor, "rb", buffering=0) as stream:

        def read_at(offset: int, count: int) -> bytes:
            stream.seek(offset)
            parts = [stream.read(count)]
            while parts[-1] and (left := count - sum(map(len, parts))) > 0:  # one read gives at most 2 GB
                parts.append(stream.read(left))
            return parts[0] if len(parts) == 1 else b"".join(parts)

        yield ByteSource(read_at, os.fstat(descriptor).st_size)


def inflated(deflated: ByteSource, start: int, limits: Limits) -> ByteSource:
    """The data set of a deflated file (PS3.5 A.5), inflated only as far as it is read.

    At most ``limits.header_bytes + limits.decoded_bytes`` are ever inflated, whatever the file expands to.
    """
    most = limits.header_bytes + limits.decoded_bytes
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = bytearray()
    position = start

    def read_at(offset: int, count: int) -> bytes:
        nonlocal position
        while len(plain) < min(offset + count, most) and not stream.eof:
            waiting = stream.unconsumed_tail
            if not waiting:
                waiting = deflated.bytes(position, min(CHUNK, deflated.size - position))
                position += len(waiting)
            if not waiting:
                break
            try:
                plain.extend(stream.decompress(waiting, 16 * CHUNK))
            except zlib.error:
                raise CaseError("damaged", "the deflated data set can't be inflated") from None
        return bytes(plain[offset : offset + count])

    return ByteSource(read_at, UNKNOWN, deflated=True)
