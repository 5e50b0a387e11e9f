"""A console served over HTTP on the loopback address, as its command does, and a browser without a face."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp

from fedgraft.common.web.access import Sessions
from fedgraft.common.web.guard import Guard
from fedgraft.common.web.serve import Place, _bound, access_of, address, server_of


@contextmanager
def served(folder: Path, build: Callable[[], ASGIApp]) -> Iterator[str]:
    """The link to an application; its secrets are in the folder."""
    place = Place(0)
    with _bound(place) as listening:
        access = access_of(place, listening.getsockname()[1], folder)
        server = server_of(place, Guard(build(), access, Sessions()))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address(place, access)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def opened(link: str) -> Iterator[httpx.Client]:
    """A client with a session; its forms carry the console's origin."""
    at = urlsplit(link)
    base = f"{at.scheme}://{at.netloc}"
    with httpx.Client(base_url=base, trust_env=False, headers={"origin": base}, follow_redirects=True) as found:
        assert found.get(f"/?{at.query}").status_code == 200
        yield found


def token(client: httpx.Client) -> str:
    """Of the forms of the client's session."""
    found = re.search(r'name="token" value="(\w+)"', client.get("/").text)
    assert found is not None
    return found[1]


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form."""
    return client.post(path, data={"token": token(client), **fields})


def words(html: str | None) -> str:
    """The words of HTML, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html or "")).split()).replace(" ,", ",")
