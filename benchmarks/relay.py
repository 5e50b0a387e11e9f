"""A TCP relay on loopback that counts what passes (the bytes of a connection as they are on the wire, TLS and all), and
that can be cut or held like a line, or be as slow and as long as one."""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress

_PIECE, _SLOW_PIECE = 1 << 16, 1 << 12


class Relay:
    """Passes connections on to a port of this machine.

    Attributes:
        port: where it listens.
        rate: bytes a second in each direction, for all connections together; ``None`` for as fast as it goes.
        delay: seconds that each piece is under way; half a round trip.
        up, down: bytes passed to, and from, that port.
    """

    def __init__(self, target: int, rate: float | None = None, delay: float = 0.0) -> None:
        self.up = self.down = self.port = 0
        self.rate, self.delay = rate, delay
        self._target, self._turns = target, {"up": threading.Lock(), "down": threading.Lock()}
        self._lock, self._flows = threading.Lock(), threading.Event()
        self._open: list[socket.socket] = []
        self._flows.set()
        self.join()

    def join(self) -> None:
        """Take connections, on the same port as before it was cut."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Connections break off, and none is taken."""
        with self._lock:
            sockets, self._open = [self._listener, *self._open], []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    close = cut

    def hold(self) -> None:
        """Nothing passes, and nobody is told."""
        self._flows.clear()

    def release(self) -> None:
        """What was held passes."""
        self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # the coordinator is not up yet, or down already
                    near.close()
                    continue
                with self._lock:
                    self._open += [near, far]
                threading.Thread(target=self._pass, args=(near, far, "up"), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, "down"), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._arrive, args=(pieces, sink, way), daemon=True).start()
        with suppress(OSError):
            while piece := source.recv(_PIECE if self.rate is None else _SLOW_PIECE):
                self._flows.wait()
                if self.rate is not None:
                    with self._turns[way]:
                        time.sleep(len(piece) / self.rate)
                pieces.put((time.monotonic() + self.delay, piece))
        pieces.put((time.monotonic() + self.delay, b""))

    def _arrive(self, pieces: queue.SimpleQueue[tuple[float, bytes]], sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            while True:
                due, piece = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    break
                sink.sendall(piece)
                with self._lock:
                    setattr(self, way, getattr(self, way) + len(piece))
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
