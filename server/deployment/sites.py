"""Register and unregister sites, and list them with their state."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.server.deployment import flower_cli
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites, write_sites


def register(folder: Folder, public_key: Path, name: str) -> RegisteredSite:
    """Register a site's public key under a name: the coordinator then admits this site.

    Raises:
        DeploymentError: the name or key is unusable or taken, or the coordinator is not running.
    """
    if not SITE_NAME.fullmatch(name):
        raise DeploymentError(f"--name {name!r} must be letters, digits, - and _ (at most 64)")
    fingerprint = key_fingerprint(public_key)
    known = read_sites(folder)
    for site in known:
        if site.name == name:
            raise DeploymentError(f"--name {name} is taken (key {site.fingerprint}); unregister it first")
        if site.fingerprint == fingerprint:
            raise DeploymentError(f"key {public_key} is registered already, as {site.name}")
    site = RegisteredSite(name, flower_cli.register_key(folder, public_key, name), fingerprint)
    write_sites(folder, (*known, site))
    return site


def unregister(folder: Folder, name: str) -> RegisteredSite:
    """Unregister a site: the coordinator no longer admits it.

    Raises:
        DeploymentError: no site has that name, or the coordinator is not running.
    """
    known = read_sites(folder)
    for site in known:
        if site.name == name:
            flower_cli.unregister_node(folder, site.node_id)
            write_sites(folder, tuple(other for other in known if other is not site))
            return site
    names = ", ".join(site.name for site in known) or "none"
    raise DeploymentError(f"no site is registered as {name!r}; registered: {names}")


def table(folder: Folder) -> str:
    """The registered sites as a text table: name, state, node id and key fingerprint, one a line."""
    states = flower_cli.node_states(folder)
    rows = [(s.name, states.get(s.node_id, "unknown"), s.node_id, s.fingerprint) for s in read_sites(folder)]
    if not rows:
        return "no site is registered yet; `fedgraft coordinator register` admits one"
    head = ("site", "state", "node", "key")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(3)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]))
        for row in (head, *rows)
    )
