"""How the public port is served: connections are taken and made TLS here, uvicorn's HTTP protocol is spoken on them.

uvicorn counts a connection once its TLS handshake is over, waits a minute for that, and has no limit on the time that
headers may take. Here a connection is counted when it is made (`Door`), and has ten seconds for the handshake, fifteen
for the headers of a request, and half a minute in all to show that it is a registered site's.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import os
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from fedgraft.server.deployment.public.door import Door, Guest, Places

HANDSHAKE_SECONDS = 10.0
HEADER_SECONDS = 15.0
STRANGER_SECONDS = 30.0
GOODBYE_SECONDS = 5.0
"""For the other end to close, too."""
WAITING = 2048
"""Connections that the system keeps for us until we take them."""
UPSTREAM_LIMIT = 512
"""Connections to the SuperLink."""
_OTHER_HANDLES = 256


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a limit on the time that a request's headers may take, and word when it ends."""

    _header_timer: asyncio.TimerHandle | None = None

    def __init__(self, config: uvicorn.Config, state: ServerState, ended: Callable[[], None]) -> None:
        super().__init__(config, state, {}, asyncio.get_running_loop())
        self._ended = ended

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._ended()
        super().connection_lost(exc)

    def _watch_headers(self) -> None:
        awaiting = self.cycle is None or self.cycle.response_complete
        if not awaiting:
            self._cancel_timer()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self._close_if_waiting)

    def _close_if_waiting(self) -> None:
        self._header_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _cancel_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


class PublicPort:
    """A listening TLS port that serves an ASGI application to whom its door lets in.

    Args:
        port: 0 for one that is free.
    """

    def __init__(self, application: Any, door: Door, host: str, port: int, certificate: str, key: str) -> None:
        self._config = uvicorn.Config(
            application,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            http="h11",
            ws="none",
            lifespan="off",
            server_header=False,
            date_header=False,  # the SuperLink's own is passed on
            proxy_headers=False,
            log_level="error",  # strangers could fill the disk with warnings
            timeout_graceful_shutdown=int(GOODBYE_SECONDS),
        )
        self._config.load()
        self._server = uvicorn.Server(self._config)
        self._door = door
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=WAITING)
        self._listener.setblocking(False)
        self._tasks: set[asyncio.Task[None]] = set()
        self._files = (certificate, key)
        self._stamp = _stamp(*self._files)

    @property
    def port(self) -> int:
        """The number of the port."""
        number: int = self._listener.getsockname()[1]
        return number

    def run(self) -> None:
        """Serve until a signal or `stop` ends it."""
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        """Have `run` return soon; from any thread."""
        self._server.should_exit = True

    async def _serve(self) -> None:
        own = (asyncio.create_task(self._take()), asyncio.create_task(self._part_from_strangers()))
        try:
            await self._server.serve(sockets=[])  # it speaks HTTP and sees signals; what it serves is taken here
        finally:
            for task in own:
                task.cancel()
            await asyncio.gather(*own, return_exceptions=True)
            self._listener.close()

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._server.should_exit:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError:  # the other end went away, or no file handle is left
                await asyncio.sleep(0.05)
                continue
            self._receive(connection, (str(address[0]), int(address[1])))
            await asyncio.sleep(0)  # accepting does not wait while there are some; others have their turn

    def _receive(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        guest = self._door.enter(peer, connection.close, asyncio.get_running_loop().time())
        if guest is None:
            connection.close()
            return
        task = asyncio.create_task(self._secure(connection, guest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _secure(self, connection: socket.socket, guest: Guest) -> None:
        """Make a connection TLS, and hand it over to HTTP."""
        loop, task, context = asyncio.get_running_loop(), asyncio.current_task(), self._config.ssl
        assert isinstance(context, ssl.SSLContext) and task is not None
        if connection.fileno() < 0:  # turned out before its turn came
            return
        guest.close = task.cancel
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: TimedProtocol(
                    self._config, self._server.server_state, functools.partial(self._door.leave, guest)
                ),
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )
            guest.close = transport.abort
        except (OSError, asyncio.CancelledError):  # no TLS, none in time, or turned out; asyncio has closed it
            self._door.leave(guest)

    def _renew(self) -> None:
        """Take a certificate that was renewed on the disk, for new connections; those that are open go on."""
        stamp = _stamp(*self._files)
        if stamp == self._stamp:
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)  # one half may be there only
        except (OSError, ssl.SSLError):
            return
        assert isinstance(self._config.ssl, ssl.SSLContext)
        self._config.ssl.load_cert_chain(*self._files)
        self._stamp = stamp

    async def _part_from_strangers(self) -> None:
        while True:
            await asyncio.sleep(STRANGER_SECONDS / 30)
            self._renew()
            self._door.turn_out_strangers(asyncio.get_running_loop().time() - STRANGER_SECONDS)


def _stamp(*files: str) -> tuple[tuple[int, int], ...] | None:
    """Changes whenever one of the files does; ``None`` if one is not there."""
    try:
        return tuple((status.st_mtime_ns, status.st_ino) for status in map(os.stat, files))
    except OSError:
        return None


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that Flower's own server uses where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return made


def places_within_limits(places: Places) -> Places:
    """Raise this process's limit on open files as far as it may, and fit the places into that."""
    needed = places.all + UPSTREAM_LIMIT + _OTHER_HANDLES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return fitted(places, soft)


def fitted(places: Places, handles: int) -> Places:
    """Places for a process that may hold so many files open; in the same proportions if they are too many."""
    room = max(16, handles - _OTHER_HANDLES - UPSTREAM_LIMIT)
    if room >= places.all:
        return places
    share = room / places.all
    strangers, of_one = (max(4, int(count * share)) for count in (places.strangers, places.of_one_address))
    return Places(room, strangers, of_one, places.of_one_site)
