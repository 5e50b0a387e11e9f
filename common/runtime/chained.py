"""A log whose lines hang together: each holds its number and the SHA-256 of the one before and of itself, so that a
line which was changed, removed, added in between or put elsewhere is found. That the last lines were cut off shows only
to whoever knows an earlier head (`Chain.head`).

A line is added after a look at the last one alone. A file that has grown to ``most`` bytes is put aside as
``NAME-0001.jsonl``, and the chain goes on in a new one. A last line without its newline was cut off while it was
written (a power cut): it does not count, and the next line takes its place. Lines at the beginning that are older than
the chain, without a digest, count as they are; the first line with one vouches for them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import flush, private_folder

LINK, NUMBER = "chain", "line"
"""The fields of a line that hold its digest, and its number from 1 over all files of the log."""
MOST_BYTES = 4 * 2**20
_SORTED = json.JSONEncoder(sort_keys=True)
_BLOCK = 8192


class Head(NamedTuple):
    """Where a chain stands: how many lines it has, and the digest of the last; ``(0, "")`` if there is none."""

    lines: int
    digest: str


class Link(NamedTuple):
    """A line that follows. ``content`` is without `LINK` and `NUMBER`; ``chained``: whether it has a digest."""

    head: Head
    content: dict[str, Any]
    chained: bool


class BrokenChainError(DataError):
    """A line of a log does not follow from those before it.

    Attributes:
        path: of the file.
        line: in that file, from 1.
    """

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(
            f"{path} was changed: line {line} does not follow from the lines before it; bring it back from a copy of "
            "the folder"
        )
        self.path, self.line = path, line


class _Place(NamedTuple):
    """A line of a file, from 1."""

    path: Path
    number: int
    text: bytes

    def parsed(self) -> dict[str, Any]:
        try:
            line = json.loads(self.text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise BrokenChainError(self.path, self.number)
        return line


@dataclass(frozen=True)
class Chain:
    """A file of JSON lines.

    Attributes:
        durable: whether a line is on the disk, and not only with the operating system, when `append` returns.
        most: bytes from which on the file is put aside; ``None`` for never.
    """

    path: Path
    durable: bool = True
    most: int | None = MOST_BYTES

    def append(self, *lines: Mapping[str, Any]) -> Head:
        """Add lines; returns the head after them. A last line that was cut off while it was written goes.

        Raises:
            DataError: the last line is none that this chain could have written.
        """
        private_folder(self.path.parent)
        with self._held() as stream:
            end, last = _last_line(stream)
            head, texts = self._head_of(last), list[bytes]()
            for line in lines:
                numbered = {**line, NUMBER: head.lines + 1}
                head = Head(head.lines + 1, digest_of(numbered, head.digest))
                texts.append(json.dumps({**numbered, LINK: head.digest}).encode() + b"\n")
            if end < stream.seek(0, os.SEEK_END):
                stream.truncate(end)
            stream.write(b"".join(texts))
            stream.flush()
        if self.durable:
            flush(self.path)
        return head

    def head(self) -> Head:
        """Where the chain stands, by its last line alone.

        Raises:
            DataError: as `append`.
        """
        if not self.path.is_file():
            return self._head_of(None)
        with self.path.open("rb") as stream:
            return self._head_of(_last_line(stream)[1])

    def newest(self) -> str:
        """The digest of the last line; empty if there is none.

        Raises:
            DataError: as `append`.
        """
        return self.head().digest

    def read(self) -> list[dict[str, Any]]:
        """All lines without `LINK` and `NUMBER`; empty if there is no file.

        Raises:
            BrokenChainError: the file was changed; names the first line that does not follow from those before.
        """
        return [link.content for link in self.walk()]

    def walk(self) -> Iterator[Link]:
        """Each line, as long as it follows from those before.

        Raises:
            BrokenChainError: as `read`.
        """
        places = (
            _Place(path, number, text)
            for path in self.files()
            for number, text in enumerate(path.read_bytes().split(b"\n")[:-1], 1)
        )
        yield from _linked(places, Head(0, ""), False)

    def since(self, begins: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]] | None:
        """The newest line that ``begins`` picks and those behind it, as `read` has them, if each follows from the one
        before. Older lines are not looked at: this takes no longer the longer a log is.

        Returns:
            ``None`` if none is picked, or the one before it has no digest.

        Raises:
            BrokenChainError: as `read`, for these lines.
        """
        backwards, places = self._backwards(), list[_Place]()
        for place in backwards:
            places.append(place)
            if begins(place.parsed()):
                return _following(next(backwards, None), places[::-1])
        return None

    def files(self) -> list[Path]:
        """The files that were put aside, the oldest first, and the one that is written to."""
        return [*self._aside(), *([self.path] if self.path.is_file() else [])]

    def torn(self) -> bool:
        """Whether the last line was cut off while it was written."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read() != b"\n"

    def _backwards(self) -> Iterator[_Place]:
        for path in reversed(self.files()):
            whole = path.read_bytes().split(b"\n")[:-1]
            for number in range(len(whole), 0, -1):
                yield _Place(path, number, whole[number - 1])

    def _aside(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.stem}-[0-9][0-9][0-9][0-9]{self.path.suffix}"))

    @contextmanager
    def _held(self) -> Iterator[BinaryIO]:
        """The file, which nobody else writes to within the block; a new one if it had grown enough."""
        while True:
            with self.path.open("a+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                if not _is_at(stream, self.path):  # put aside by another process meanwhile
                    continue
                if self.most is not None and os.fstat(stream.fileno()).st_size >= self.most:
                    number = len(self._aside()) + 1
                    self.path.rename(self.path.with_name(f"{self.path.stem}-{number:04d}{self.path.suffix}"))
                    continue
                yield stream
                return

    def _head_of(self, last: bytes | None) -> Head:
        """The head after a last line; by reading all, if that has no digest or no number."""
        if last is None:
            aside = self._aside()
            if not aside:
                return Head(0, "")
            with aside[-1].open("rb") as stream:
                last = _last_line(stream)[1]
        try:
            line = json.loads(last or b"")
            if isinstance(line[NUMBER], int) and isinstance(line[LINK], str):
                return Head(line[NUMBER], line[LINK])
        except (KeyError, TypeError):
            pass
        except ValueError:
            raise DataError(
                f"{self.path} was changed: its last line is no line of a log; bring it back from a copy of the folder"
            ) from None
        head = Head(0, "")
        for link in self.walk():
            head = link.head
        return head


def digest_of(line: Mapping[str, Any], before: str) -> str:
    """The digest of a line behind one of digest ``before``."""
    content = _SORTED.encode({key: value for key, value in line.items() if key != LINK})
    return hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()


def content_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line without its place in the chain."""
    return {key: value for key, value in line.items() if key not in (LINK, NUMBER)}


def _following(before: _Place | None, places: Sequence[_Place]) -> list[dict[str, Any]] | None:
    """The contents of lines that follow from each other and the one before; ``None`` if that has no digest."""
    line: dict[str, Any] = {NUMBER: 0, LINK: ""} if before is None else before.parsed()
    if NUMBER not in line or LINK not in line:
        return None
    return [link.content for link in _linked(places, Head(line[NUMBER], line[LINK]), before is not None)]


def _linked(places: Iterable[_Place], head: Head, chained: bool) -> Iterator[Link]:
    """Lines that each follow from the one before, the first from ``head``."""
    for path, number, text in places:
        link = _follows(text, head, chained)
        if link is None:
            raise BrokenChainError(path, number)
        yield link
        head, chained = link.head, link.chained


def _follows(text: bytes, before: Head, chained: bool) -> Link | None:
    """A line behind others; ``None`` if it does not follow. A line counts as it is written, to the character.

    Args:
        chained: whether the line before has a digest.
    """
    try:
        line = json.loads(text)
        if LINK not in line and not chained:
            older = hashlib.sha256(f"{before.digest}\n".encode() + text).hexdigest()
            return Link(Head(before.lines + 1, older), dict(line), False)
        digest, number = digest_of(line, before.digest), before.lines + 1
        if line[LINK] != digest or line.get(NUMBER, number) != number or json.dumps(line).encode() != text:
            return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Link(Head(number, digest), content_of(line), True)


def _last_line(stream: BinaryIO) -> tuple[int, bytes | None]:
    """Where the whole lines of a file end, and the last of them; ``None`` if there is none."""
    size = stream.seek(0, os.SEEK_END)
    block = _BLOCK
    while True:
        at = max(0, size - block)
        stream.seek(at)
        tail = stream.read(size - at)
        end = tail.rfind(b"\n")
        begin = tail.rfind(b"\n", 0, max(end, 0))
        if begin >= 0 or at == 0:
            return (at + end + 1, tail[begin + 1 : end]) if end >= 0 else (0, None)
        block *= 8


def _is_at(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.fstat(stream.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
