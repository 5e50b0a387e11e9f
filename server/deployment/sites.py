"""Register and unregister sites, and list them with their state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import locked
from fedgraft.common.runtime.ssh_keys import fingerprint, key_fingerprint
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites, write_sites
from fedgraft.server.deployment.public.announced import forget


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
    shown = key_fingerprint(public_key)
    with _changing(folder):
        known = read_sites(folder)
        for site in known:
            if site.name == name:
                raise DeploymentError(f"--name {name} is taken (key {site.fingerprint}); unregister it first")
            if site.fingerprint == shown:
                raise DeploymentError(f"key {public_key} is registered already, as {site.name}")
        site = RegisteredSite(name, orders.register_key(folder, public_key.read_bytes(), name), shown, cases)
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
                orders.unregister_node(folder, site.node_id)
                write_sites(folder, tuple(other for other in known if other is not site))
                forget(folder, name)
                return site
    names = ", ".join(site.name for site in known) or "none"
    raise DeploymentError(f"no site is registered as {name!r}; registered: {names}")


def rekey(folder: Folder, name: str, public_key: str) -> RegisteredSite:
    """Register another key for a site in the place of the one that it has; its name and number of cases stay. Flower
    knows it as another node from then on.

    Args:
        public_key: in OpenSSH's format.

    Raises:
        DeploymentError: no site has that name, the key is another site's, or the coordinator is not running.
    """
    with _changing(folder):
        known = read_sites(folder)
        before = next((site for site in known if site.name == name), None)
        if before is None:
            raise DeploymentError(f"no site is registered as {name!r}")
        new = fingerprint(public_key.encode())
        if any(site.fingerprint == new for site in known):
            raise DeploymentError("this key is registered already")
        site = replace(before, node_id=orders.register_key(folder, public_key.encode(), name), fingerprint=new)
        write_sites(folder, tuple(site if one is before else one for one in known))
        orders.unregister_node(folder, before.node_id)
        return site


@contextmanager
def _changing(folder: Folder) -> Iterator[None]:
    """Nobody else registers or unregisters within the block: sites that join do it in the gateway's process."""
    folder.settings()  # there is such a folder
    with locked(folder.sites_file.with_suffix(".lock")):
        yield
