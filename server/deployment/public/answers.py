"""Answers of the gateway's own, after which a connection ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedgraft.server.deployment.public.bodies import RefusedError, discard

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable


async def refuse(send: ASGISendCallable, refusal: RefusedError, receive: ASGIReceiveCallable) -> None:
    """Answer, read on for a moment without keeping anything, and end the connection. Who is cut off while it sends may
    never see the answer."""
    content = refusal.text.encode()
    headers = [(b"content-type", b"text/plain"), *_ends(content)]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    if refusal.status != 200:  # else the body was read to its end
        await discard(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def answer(send: ASGISendCallable, status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes) -> None:
    """Answer, and end the connection."""
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_ends(content)]})
    await send({"type": "http.response.body", "body": content, "more_body": False})


def _ends(content: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(len(content)).encode()), (b"connection", b"close")]
