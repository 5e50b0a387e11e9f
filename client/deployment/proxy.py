"""The proxy through which a site's calls go, as ``coordinator.proxy`` in its site.yaml names it, or else the
environment; Flower's calls (httpx) take the same.
"""

from __future__ import annotations

import base64
import os
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fedgraft.client.site.site_file import Coordinator
from fedgraft.common.errors import DeploymentError


@dataclass(frozen=True)
class Proxy:
    """A proxy for HTTPS.

    Attributes:
        variable: the environment variable that names it.
        headers: by which the site proves itself to the proxy, if its address holds a name and a password.
        address: a URL with name and password, as programs of others take it.
    """

    scheme: str
    host: str
    port: int
    variable: str
    headers: dict[str, str] = field(repr=False)
    address: str = field(default="", repr=False)

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
        headers = _basic(urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
    variable = next(
        (name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name] == named[kind]),
        "the system's settings",
    )
    return Proxy(parts.scheme, parts.hostname or "", parts.port or 80, variable, headers)


NAMED = "coordinator.proxy in site.yaml"


def proxy_to(coordinator: Coordinator) -> Proxy | None:
    """The proxy on the way to the coordinator: that of site.yaml, also if ``NO_PROXY`` excepts the host, or else that
    of the environment.

    Raises:
        DeploymentError: the file of its password can't be used.
    """
    named = coordinator.proxy
    if named is None:
        return proxy_for(coordinator.address.rpartition(":")[0].removeprefix("[").removesuffix("]"))
    host, _, port = named.address.removeprefix("http://").rpartition(":")
    if named.user is None:
        return Proxy("http", host, int(port), NAMED, {}, f"http://{host}:{port}")
    password = "" if named.password is None else _password(named.password)
    pair = ":".join(urllib.parse.quote(one, safe="") for one in (named.user, password))
    return Proxy("http", host, int(port), NAMED, _basic(named.user, password), f"http://{pair}@{host}:{port}")


def through(coordinator: Coordinator, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment of a program that calls nobody but the coordinator, with the proxy of site.yaml, if it names one.

    Raises:
        DeploymentError: as `proxy_to`.
    """
    found = None if coordinator.proxy is None else proxy_to(coordinator)
    if found is None:
        return dict(environment)
    others = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    return {**others, "HTTPS_PROXY": found.address, "https_proxy": found.address}


def _password(file: Path) -> str:
    if not file.is_file():
        raise DeploymentError(f"coordinator.proxy.password {file} does not exist; write the proxy's password into it")
    if file.stat().st_mode & 0o077:
        raise DeploymentError(f"coordinator.proxy.password {file} can be read by other accounts; run `chmod 600` on it")
    return file.read_text(encoding="utf-8").strip()


def _basic(user: str, password: str) -> dict[str, str]:
    pair = f"{user}:{password}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
