"""Register and unregister sites, and list them with their state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import locked
from fedgraft.common.runtime.moments import ago
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.server.deployment import flower_cli
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites, write_sites
from fedgraft.server.deployment.plain_table import plain_table
from fedgraft.server.deployment.public.announced import forget, read_announced
from fedgraft.server.deployment.public.silence import silent_since


def register(folder: Folder, public_key: Path, name: str, cases: int | None = None) -> RegisteredSite:
    """Register a site's public key under a name: the coordinator then admits this site.

    Args:
        cases: the most training cases that it can have, as confirmed with the hospital.

    Raises:
        DeploymentError: the name, key or number is unusable, name or key is taken, or the coordinator is not running.
    """
    if cases is not None and cases < 1:
        raise DeploymentError(f"--cases {cases} must be the hospital's number of training cases, 1 or more")
    if not SITE_NAME.fullmatch(name):
        raise DeploymentError(f"--name {name!r} must be letters, digits, - and _ (at most 64)")
    fingerprint = key_fingerprint(public_key)
    with _changing(folder):
        known = read_sites(folder)
        for site in known:
            if site.name == name:
                raise DeploymentError(f"--name {name} is taken (key {site.fingerprint}); unregister it first")
            if site.fingerprint == fingerprint:
                raise DeploymentError(f"key {public_key} is registered already, as {site.name}")
        site = RegisteredSite(name, flower_cli.register_key(folder, public_key, name), fingerprint, cases)
        write_sites(folder, (*known, site))
        return site


def unregister(folder: Folder, name: str) -> RegisteredSite:
    """Unregister a site: the coordinator no longer admits it.

    Raises:
        DeploymentError: no site has that name, or the coordinator is not running.
    """
    with _changing(folder):
        known = read_sites(folder)
        for site in known:
            if site.name == name:
                flower_cli.unregister_node(folder, site.node_id)
                write_sites(folder, tuple(other for other in known if other is not site))
                forget(folder, name)
                return site
    names = ", ".join(site.name for site in known) or "none"
    raise DeploymentError(f"no site is registered as {name!r}; registered: {names}")


@contextmanager
def _changing(folder: Folder) -> Iterator[None]:
    """Nobody else registers or unregisters within the block: sites that join do it in the gateway's process."""
    folder.settings()  # there is such a folder
    with locked(folder.sites_file.with_suffix(".lock")):
        yield


def table(folder: Folder) -> str:
    """The registered sites as a text table: name, state, when it was heard last, the training cases that are registered
    for it, node id and key fingerprint, one a line. A site that Flower counts as online, but that was not heard lately,
    is ``silent``."""
    states, announced, now = flower_cli.node_states(folder), read_announced(folder), time.time()
    registered = read_sites(folder)
    silent = silent_since((site.name for site in registered), announced, now)
    rows = []
    for site in registered:
        state, told = states.get(site.node_id, "unknown"), announced.get(site.name)
        shown = "silent" if state == "online" and site.name in silent else state
        heard = "never" if told is None else f"{ago(now - told.received)} ago"
        cases = "any" if site.cases is None else str(site.cases)
        rows.append((site.name, shown, heard, cases, site.node_id, site.fingerprint))
    if not rows:
        return "no site is registered yet; `fedgraft coordinator register` admits one"
    return plain_table(("site", "state", "last heard", "cases", "node", "key"), rows)
