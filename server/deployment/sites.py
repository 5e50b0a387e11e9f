"""Register and unregister sites, and list them with their state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import locked
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.server.deployment import flower_cli
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
