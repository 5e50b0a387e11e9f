"""Strangers that hold connections to a public port: without a word, after their handshake, with headers or a body that
trickle. Whoever is sent away comes again."""

from __future__ import annotations

import contextlib
import itertools
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

PULL = b"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: localhost\r\n"
AGAIN_SECONDS = 2.0
"""Between two looks at who was sent away, and between two bytes of what trickles."""


class Crowd:
    """So many connections to a port of this machine, as long as the block lasts."""

    def __init__(self, port: int, authority: Path, count: int, sources: tuple[str, ...] = ("127.0.0.2",)) -> None:
        self._port, self._count, self._sources = port, count, itertools.cycle(sources)
        self._context = ssl.create_default_context(cafile=str(authority))
        self._kinds: Iterator[Callable[[socket.socket], socket.socket]] = itertools.cycle(
            (self._silent, self._silent, self._secure, self._slow_headers, self._slow_body)
        )
        self._held: list[socket.socket] = []
        self._over, self._thread = threading.Event(), threading.Thread(target=self._keep, daemon=True)
        self.sent_away = 0

    def __enter__(self) -> Crowd:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < self._count + 256:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(self._count + 256, hard), hard))
        self._fill()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        for one in self._held:
            one.close()

    def _keep(self) -> None:
        while not self._over.wait(AGAIN_SECONDS):
            here = [one for one in self._held if self._stays(one)]
            self.sent_away += len(self._held) - len(here)
            self._held = here
            self._fill()

    def _fill(self) -> None:
        while len(self._held) < self._count and not self._over.is_set():
            try:
                plain = socket.create_connection(("127.0.0.1", self._port), 5, source_address=(next(self._sources), 0))
            except OSError:
                return
            try:
                made = next(self._kinds)(plain)
                made.setblocking(False)
            except OSError:  # sent away in the middle of it
                plain.close()
                self.sent_away += 1
            else:
                self._held.append(made)

    @staticmethod
    def _stays(one: socket.socket) -> bool:
        """Whether the other end still holds it; one that trickles sends a byte more."""
        try:
            if isinstance(one, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLWantWriteError):
                    one.send(b"x")
            gone = one.recv(4096) == b""
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        except OSError:
            gone = True
        if gone:
            one.close()
        return not gone

    @staticmethod
    def _silent(plain: socket.socket) -> socket.socket:
        return plain

    def _secure(self, plain: socket.socket) -> socket.socket:
        return self._context.wrap_socket(plain, server_hostname="localhost")

    def _slow_headers(self, plain: socket.socket) -> socket.socket:
        made = self._secure(plain)
        made.sendall(PULL + b"slow: ")
        return made

    def _slow_body(self, plain: socket.socket) -> socket.socket:
        made = self._secure(plain)
        made.sendall(PULL + b"content-length: 1000000\r\n\r\n")
        return made
