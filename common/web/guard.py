"""What stands before every page of a console: no request gets through that `Access` does not let in, and every answer
says what a browser may do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedgraft.common.web.access import Access, Sessions, is_equal
from fedgraft.common.web.frame import login_page

METRICS, LOGIN, LOGOUT, STATIC = "/metrics", "/login", "/logout", ("/console.css", "/console.js")
FORM_LIMIT_BYTES = 256 * 1024
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing comes from another origin, and no script runs but the console's own (Content Security Policy 3)."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer, browsers send ``Origin: null`` with our own forms, too
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
CLOSED = "Closed. Open the console by the link that its command printed.\n"


class Guard:
    """An ASGI application in front of another one. A request that it lets in has ``scope["token"]``, what the page's
    forms must carry; if it is a form, ``scope["form"]``, its fields; and ``scope["ending"]``, which tells whether the
    server ends."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions) -> None:
        self._app, self._access, self._sessions = app, access, sessions
        self.ending: Callable[[], bool] = lambda: False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in there]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        request = Request(scope, receive)
        answer = await self._answer(request)
        if answer is None:
            scope["ending"] = self.ending
            await self._app(scope, receive, headed)
        else:
            await answer(scope, receive, headed)

    async def _answer(self, request: Request) -> Response | None:
        """The answer; ``None`` if the application gives it."""
        if not self._access.is_ours(request.headers.get("host", "")):
            return PlainTextResponse("this is not that host\n", 421)
        if request.method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("only GET and POST\n", 405)
        if request.url.path == METRICS:
            return self._scraped(request)
        if request.method == "POST":
            return await self._posted(request)
        if is_equal(request.query_params.get("token", ""), self._access.link):
            return self._welcome(RedirectResponse(request.url.path, 303))
        name = self._session(request)
        if name is not None:
            request.scope["token"] = self._sessions.token(name)
            return None
        if self._access.password is not None:
            return None if request.url.path in STATIC else login_page("")
        return PlainTextResponse(CLOSED, 401)

    def _scraped(self, request: Request) -> Response | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if request.method != "POST" and scheme.lower() == "bearer" and is_equal(given, self._access.scrape):
            return None
        return PlainTextResponse("closed\n", 401, {"www-authenticate": "Bearer"})

    async def _posted(self, request: Request) -> Response | None:
        if not self._access.is_same_origin(request.headers):
            return PlainTextResponse("not a form of this console\n", 403)
        form = await _form(request)
        if form is None:
            return PlainTextResponse("no form, or too long\n", 413)
        if request.url.path == LOGIN:
            return await self._login(form)
        name = self._session(request)
        if name is None or not is_equal(form.get("token", ""), self._sessions.token(name)):
            return PlainTextResponse("not a form of this session; load the page again\n", 403)
        if request.url.path == LOGOUT:
            self._sessions.end(name)
            return PlainTextResponse("The session has ended.\n")
        request.scope["token"], request.scope["form"] = self._sessions.token(name), form
        return None

    async def _login(self, form: dict[str, str]) -> Response:
        if self._access.password is None:
            return PlainTextResponse(CLOSED, 401)
        if not self._sessions.may_try():
            return login_page("Too many wrong passwords: wait a minute.", 429)
        if is_equal(form.get("password", ""), self._access.password):
            return self._welcome(RedirectResponse("/", 303))
        self._sessions.failed()
        await asyncio.sleep(1.0)
        return login_page("That is not the password.", 401)

    def _welcome(self, answer: Response) -> Response:
        secure, name = self._access.tls, self._sessions.begin()
        answer.set_cookie(self._access.cookie, name, path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    def _session(self, request: Request) -> str | None:
        try:
            found = SimpleCookie(request.headers.get("cookie", "")).get(self._access.cookie)
        except CookieError:
            return None
        return found.value if found is not None and self._sessions.is_open(found.value) else None


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form, each once; ``None`` if it is none, or too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return None
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > FORM_LIMIT_BYTES:
            return None
    try:
        fields = parse_qs(content.decode("ascii"), keep_blank_values=True, max_num_fields=64)
    except ValueError:
        return None
    return {name: values[-1] for name, values in fields.items()}
