"""Live parts of pages, by server-sent events (HTML Living Standard, 9.2): a part is sent when it has changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

PAUSE_SECONDS, LOOK_SECONDS = 2.0, 0.2
"""Between two looks at what has changed, and at whether the server ends."""
BEAT = ": still here\n\n"
"""A comment, by which a line that is gone is noticed."""


def events(request: Request, parts: Callable[[], Mapping[str, str]], pause: float = PAUSE_SECONDS) -> StreamingResponse:
    """A stream of events, each named by its part, with that part's HTML as a JSON text.

    Args:
        parts: the HTML of each part as it is now; called in a thread.
    """
    stream = _stream(request, parts, pause)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _stream(request: Request, parts: Callable[[], Mapping[str, str]], pause: float) -> AsyncIterator[str]:
    sent: Mapping[str, str] = {}
    yield "retry: 3000\n\n"
    while not await request.is_disconnected():
        now = await run_in_threadpool(parts)
        new = [event(name, html) for name, html in now.items() if sent.get(name) != html]
        sent = now
        yield "".join(new) or BEAT
        until = time.monotonic() + pause
        while time.monotonic() < until:
            if request.scope["ending"]():
                return
            await asyncio.sleep(LOOK_SECONDS)


def event(name: str, html: str) -> str:
    """One event."""
    return f"event: {name}\ndata: {json.dumps(html)}\n\n"
