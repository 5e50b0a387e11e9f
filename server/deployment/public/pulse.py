"""Whether the SuperLink answers, asked at most once a second however many want to know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

FRESH_SECONDS = 1.0
SECONDS = 10.0
_KEPT = (b"date", b"content-type")
Answer = tuple[int, Sequence[tuple[bytes, bytes]], bytes]
"""HTTP status, headers and body."""


class Pulse:
    """The last answer to ``GET /health``; its ``date`` tells a site how far its own clock is off."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._asking = asyncio.Lock()
        self._last: tuple[float, Answer | httpx.TransportError] | None = None

    async def felt(self) -> Answer:
        """
        Raises:
            httpx.TransportError: the SuperLink does not answer.
        """
        clock = asyncio.get_running_loop().time
        async with self._asking:
            if self._last is None or clock() - self._last[0] > FRESH_SECONDS:
                found = await self._ask()
                self._last = clock(), found
            last = self._last[1]
        if isinstance(last, httpx.TransportError):
            raise last
        return last

    async def _ask(self) -> Answer | httpx.TransportError:
        try:
            response = await self._client.get("/health", timeout=SECONDS)
        except httpx.TransportError as error:
            return error
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        return response.status_code, [(name, value) for name, value in headers if name in _KEPT], response.content
