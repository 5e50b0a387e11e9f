"""The parts of an application that every console has: style, script, live parts, and its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fedgraft.common.web.events import events
from fedgraft.common.web.metrics import CONTENT_TYPE, Metric, exposition
from fedgraft.common.web.style import CONSOLE_CSS, CONSOLE_JS

Handler = Callable[[Request], Response]
"""Answers a request; is called in a thread, so that it may read files and wait."""


def application(
    gets: Mapping[str, Handler],
    posts: Mapping[str, Handler],
    parts: Callable[[str], Mapping[str, str]],
    metrics: Callable[[], Sequence[Metric]],
) -> Starlette:
    """A console's application, to stand behind a `Guard`.

    Args:
        gets: what is shown, by path.
        posts: what is done, by path; the form's fields are ``request.scope["form"]``.
        parts: the live parts' HTML by name, for a session's token.
    """

    async def live(request: Request) -> Response:
        return events(request, partial(parts, request.scope["token"]))

    def figures(request: Request) -> Response:
        return Response(exposition(metrics()), media_type=CONTENT_TYPE)

    routes = [
        Route("/console.css", _text(CONSOLE_CSS, "text/css")),
        Route("/console.js", _text(CONSOLE_JS, "text/javascript")),
        Route("/events", live),
        Route("/metrics", _threaded(figures)),
        *(Route(path, _threaded(handler)) for path, handler in gets.items()),
        *(Route(path, _threaded(handler), methods=["POST"]) for path, handler in posts.items()),
    ]
    return Starlette(routes=routes, exception_handlers={404: _nothing, 500: _failed})


def _threaded(handler: Handler) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        return await run_in_threadpool(handler, request)

    return answer


def _text(content: str, kind: str) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


async def _nothing(request: Request, error: Exception) -> Response:
    return PlainTextResponse("there is no such page\n", 404)


async def _failed(request: Request, error: Exception) -> Response:
    """Nothing of an error's text reaches a page; it is printed where the console was started."""
    return PlainTextResponse("this failed; the console's terminal says why\n", 500)
