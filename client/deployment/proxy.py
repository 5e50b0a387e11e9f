"""The proxy through which a site's calls go, as the environment names it; Flower's calls (httpx) take the same."""

from __future__ import annotations

import base64
import os
import urllib.parse
import urllib.request
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Proxy:
    """A proxy for HTTPS.

    Attributes:
        variable: the environment variable that names it.
        headers: by which the site proves itself to the proxy, if its address holds a name and a password.
    """

    scheme: str
    host: str
    port: int
    variable: str
    headers: dict[str, str] = field(repr=False)

    @property
    def usable(self) -> bool:
        return self.scheme == "http"


def proxy_for(host: str) -> Proxy | None:
    """The proxy for HTTPS to a host; ``None`` if there is none, or if ``NO_PROXY`` excepts the host."""
    named = urllib.request.getproxies()
    kind = next((kind for kind in ("https", "all") if named.get(kind)), None)
    if kind is None or urllib.request.proxy_bypass(host):
        return None
    address = named[kind] if "://" in named[kind] else f"http://{named[kind]}"
    parts = urllib.parse.urlsplit(address)
    headers = {}
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    variable = next(
        (name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name] == named[kind]),
        "the system's settings",
    )
    return Proxy(parts.scheme, parts.hostname or "", parts.port or 80, variable, headers)
