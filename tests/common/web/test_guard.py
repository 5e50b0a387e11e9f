"""Who gets through to a console, and what a stranger, another origin and another host get: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fedgraft.common.web.access import Access, Sessions
from fedgraft.common.web.frame import Frame, form, page
from fedgraft.common.web.guard import FORM_LIMIT_BYTES, HEADERS, POLICY, Guard
from fedgraft.common.web.metrics import Metric, Sample
from fedgraft.common.web.site import application

BASE = "http://127.0.0.1:8460"
ACCESS = Access(frozenset({"127.0.0.1:8460", "localhost:8460"}), 8460, False, "link-secret", "scrape-secret")
SECRET = "what the page shows"


def shown(request: Request) -> Response:
    return page(
        Frame("console", {"/": "Now"}), "/", request.scope["token"], [form("/do", request.scope["token"]), SECRET]
    )


class Did(list[dict[str, str]]):
    def __call__(self, request: Request) -> Response:
        self.append(request.scope["form"])
        return PlainTextResponse("done")


class Browser:
    """Asks as a browser does, with cookies; each call is one request."""

    def __init__(self, guard: Guard, base: str) -> None:
        self._guard, self._base, self.cookies = guard, base, httpx.Cookies()

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._guard, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self._base, cookies=self.cookies) as client:
                answer = await client.request(method, path, **more)  # type: ignore[arg-type]
                self.cookies = client.cookies
                return answer

        return anyio.run(asked)

    def token(self) -> str:
        """Of the forms on the page."""
        found = re.search(r'name="token" value="(\w+)"', self.ask("GET", "/").text)
        assert found is not None
        return found[1]

    def send(
        self, path: str, origin: str = BASE, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        return self.ask("POST", path, data=fields, headers={"origin": origin, **(headers or {})})


did = Did()


def console(access: Access = ACCESS, base: str = BASE) -> Browser:
    did.clear()
    metrics = (Metric("up", "is it", "gauge", [Sample(1.0)]),)
    gets = {"/": shown, "/fails": lambda request: 1 / 0}  # type: ignore[dict-item, return-value]
    app = application(gets, {"/do": did}, lambda token: {}, lambda: metrics)
    return Browser(Guard(app, access, Sessions()), base)


@contextmanager
def let_in(access: Access = ACCESS, base: str = BASE) -> Iterator[Browser]:
    browser = console(access, base)
    assert browser.ask("GET", "/?token=link-secret").headers["location"] == "/"
    yield browser


def test_the_link_opens_a_session_and_says_what_a_browser_may_do() -> None:
    browser = console()
    answer = browser.ask("GET", "/?token=link-secret")
    assert answer.status_code == 303 and "secret" not in answer.headers["location"]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("fedgraft-8460=") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    answer = browser.ask("GET", "/")
    assert answer.status_code == 200 and SECRET in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in POLICY and "http" not in POLICY and "default-src 'none'" in POLICY
    assert "style=" not in answer.text and "<script>" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=wrong", "/events", "/console.css", "/do", "/nothing", "/metrics"]
)
def test_a_stranger_gets_nothing(path: str) -> None:
    answer = console().ask("GET", path)
    assert answer.status_code == 401 and SECRET not in answer.text and len(answer.text) < 80
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example:8460", "127.0.0.1", "127.0.0.1:80", "", "127.0.0.1:8460.evil.example"])
def test_another_host_gets_nothing(host: str) -> None:
    """A name of a stranger's that was bound to this address comes with a cookie of its own only, and not even so."""
    with let_in() as browser:
        answer = browser.ask("GET", "/", headers={"host": host})
        assert answer.status_code == 421 and SECRET not in answer.text
        assert browser.ask("GET", "/?token=link-secret", headers={"host": host}).status_code == 421
        assert browser.ask("GET", "/", headers={"host": "LOCALHOST:8460"}).status_code == 200


def test_a_form_needs_the_session_its_token_and_the_consoles_origin() -> None:
    with let_in() as browser:
        token = browser.token()
        assert browser.send("/do", token=token, what="stop").text == "done"
        for origin in ("http://evil.example", "null", "", "https://127.0.0.1:8460", "http://127.0.0.1:8461"):
            assert browser.send("/do", origin, token=token).status_code == 403
        assert browser.send("/do", headers={"sec-fetch-site": "cross-site"}, token=token).status_code == 403
        for wrong in ("", token[:-1], "é" * 64):
            assert browser.send("/do", token=wrong).status_code == 403
        stolen = console_of_another_session(browser)
        assert stolen.send("/do", token=token).status_code == 403
        assert browser.ask("POST", "/do", headers={"origin": BASE}, json={"token": token}).status_code == 413
        assert browser.send("/do", token=token, what="x" * FORM_LIMIT_BYTES).status_code == 413
    assert list(did) == [{"token": token, "what": "stop"}], "once"


def console_of_another_session(browser: Browser) -> Browser:
    other = Browser(browser._guard, BASE)
    other.ask("GET", "/?token=link-secret")
    return other


def test_logging_out_ends_the_session() -> None:
    with let_in() as browser:
        assert browser.send("/logout", token=browser.token()).status_code == 200
        assert browser.ask("GET", "/").status_code == 401


def test_only_reading_and_forms() -> None:
    with let_in() as browser:
        assert browser.ask("DELETE", "/").status_code == 405
        assert browser.ask("GET", "/do").status_code == 405


def test_an_error_says_nothing_of_its_text() -> None:
    with let_in() as browser:
        answer = browser.ask("GET", "/fails")
        assert (answer.status_code, answer.text) == (500, "this failed; the console's terminal says why\n")
        assert browser.ask("GET", "/elsewhere").status_code == 404


def test_figures_are_for_who_has_their_secret() -> None:
    browser = console()
    for given in ("Bearer wrong", "Bearer link-secret", "Basic scrape-secret", "Bearer"):
        assert browser.ask("GET", "/metrics", headers={"authorization": given}).status_code == 401
    answer = browser.ask("GET", "/metrics", headers={"authorization": "Bearer scrape-secret"})
    assert answer.text == "# HELP up is it\n# TYPE up gauge\nup 1.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert browser.ask("GET", "/", headers={"authorization": "Bearer scrape-secret"}).status_code == 401


def test_a_login_in_the_place_of_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedgraft.common.web.guard.asyncio.sleep", lambda seconds: anyio.lowlevel.checkpoint())
    base = "https://fl.example.org:8460"
    access = replace(ACCESS, hosts=frozenset({"fl.example.org:8460"}), tls=True, link=None, password="correct horse")
    browser = console(access, base)
    asked = browser.ask("GET", "/")
    assert asked.status_code == 401 and "Password" in asked.text and SECRET not in asked.text
    assert browser.ask("GET", "/console.css").status_code == 200
    assert browser.ask("GET", "/?token=").status_code == 401
    for _ in range(5):
        assert "That is not the password." in browser.send("/login", base, password="wrong").text
    answer = browser.send("/login", base, password="correct horse")
    assert answer.status_code == 429 and "wait a minute" in answer.text
    other = console(access, base)
    assert other.send("/login", "https://evil.example", password="correct horse").status_code == 403
    answer = other.send("/login", base, password="correct horse")
    assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]
    assert SECRET in other.ask("GET", "/").text
    assert console().send("/login", password="None").status_code == 401, "a console without a login"


def test_a_session_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 40_000.0, 80_000.0, 123_200.0, 123_200.0))
    monkeypatch.setattr("fedgraft.common.web.access.time.monotonic", lambda: next(clock))
    sessions = Sessions()
    name = sessions.begin()
    assert sessions.is_open(name) and sessions.is_open(name), "each request prolongs it by twelve hours"
    assert not sessions.is_open(name) and not sessions.is_open("")
