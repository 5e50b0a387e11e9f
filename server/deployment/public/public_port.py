"""How the public port is served: uvicorn's settings, and its HTTP protocol with a limit on slow headers."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 15.0
CONNECTION_LIMIT = 512


class HeaderTimeoutProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a limit on the time that a request's headers may take, which uvicorn lacks."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
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


def server_settings(application: Any, host: str, port: int, certificate: str, key: str) -> uvicorn.Config:
    """The uvicorn settings of the public port."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        http=HeaderTimeoutProtocol,
        ws="none",
        lifespan="off",
        server_header=False,
        date_header=False,  # the SuperLink's own is passed on
        proxy_headers=False,
        limit_concurrency=CONNECTION_LIMIT,
        log_level="warning",
    )
