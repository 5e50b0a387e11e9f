"""The body of a request, piece by piece, within limits of size and of time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable

BODY_SECONDS = 60.0
"""How long each piece may take, and how long a body may take beside what its length allows."""
LEAST_BYTES_A_SECOND = 4096.0
"""A body that comes slower than this is not waited for: 5 MB, Flower's largest piece, in 21 minutes."""
QUIET_SECONDS, DISCARD_SECONDS = 0.5, 2.0
"""Of a body that nobody wants: how long nothing may come, and how long anything may come, until we hang up."""


class RefusedError(Exception):
    """A request that the gateway answers itself, with an HTTP status and a line of text (200 for what it took)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def check_length(headers: Sequence[tuple[bytes, bytes]], limit: int) -> None:
    """
    Raises:
        RefusedError: the headers state a body of more than ``limit`` bytes.
    """
    for name, value in headers:
        if name == b"content-length" and not (value.isdigit() and int(value) <= limit):
            raise RefusedError(413, "the body is too large")


async def body(receive: ASGIReceiveCallable, limit: int) -> AsyncIterator[bytes]:
    """The request's body as it arrives, up to the limit; a chunked body states no length in advance.

    Raises:
        RefusedError: it is too large, too slow, or the sender disconnected.
    """
    clock, received = asyncio.get_running_loop().time, 0
    began = clock()
    while True:
        left = BODY_SECONDS + received / LEAST_BYTES_A_SECOND - (clock() - began)
        try:
            event = await asyncio.wait_for(receive(), min(left, BODY_SECONDS))
        except TimeoutError:
            raise RefusedError(408, "the body did not arrive in time") from None
        if event["type"] != "http.request":
            raise RefusedError(400, "the sender went away")
        received += len(event["body"])
        if received > limit:
            raise RefusedError(413, "the body is too large")
        if event["body"]:
            yield event["body"]
        if not event["more_body"]:
            return


async def discard(receive: ASGIReceiveCallable) -> None:
    """Read what is left of a body without keeping it, for a moment at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while True:
                async with asyncio.timeout(QUIET_SECONDS):
                    event = await receive()
                if event["type"] != "http.request" or not event["more_body"]:
                    return
