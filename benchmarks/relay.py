"""A TCP relay on loopback that counts what passes: the bytes of a connection as they are on the wire, TLS and all."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Relay:
    """Passes connections on to a port of this machine.

    Attributes:
        port: where it listens.
        up, down: bytes passed to, and from, that port.
    """

    def __init__(self, target: int) -> None:
        self.up = self.down = 0
        self._target = target
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # the coordinator is not up yet, or down already
                    near.close()
                    continue
                threading.Thread(target=self._pass, args=(near, far, "up"), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, "down"), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                sink.sendall(piece)
                with self._lock:
                    setattr(self, way, getattr(self, way) + len(piece))
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
