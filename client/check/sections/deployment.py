"""Check that a site can take part: folders, programs, key, and a coordinator that answers over TLS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from fedgraft.client.check.report import Finding, Section
from fedgraft.client.deployment.connection import reach
from fedgraft.client.deployment.executor import require_superexec
from fedgraft.client.deployment.message_process import require_flower
from fedgraft.client.site.keys import check_private_key, public_path
from fedgraft.client.site.machine import machine_of
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.common.errors import FedGraftError
from fedgraft.common.runtime.ssh_keys import key_fingerprint

PROGRAMS = ("fedgraft", "flwr", "torch", "timm", "pydicom")


def describe_deployment(site: SiteFile, simulated: bool = False) -> Section:
    """Check the site's folders, its device, the programs and the coordinator.

    Args:
        simulated: the site is one of a simulation: others may read its folders, and it needs no coordinator.
    """
    folders = (("state", site.state), ("store", site.shared_store))
    findings = [*(_folder(what, folder, simulated) for what, folder in folders), _device(site), _programs()]
    if site.coordinator is None and simulated:
        findings.append(Finding("ok", "coordinator", "a simulated site needs none"))
    elif site.coordinator is None:
        text = "no `coordinator` section"
        findings.append(Finding("warning", "coordinator", text, "`fedgraft site start` needs one"))
    else:
        findings += _coordinator(site.coordinator)
    return Section("the site", tuple(findings))


def _folder(what: str, folder: Path, open_to_all: bool) -> Finding:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            "problem", what, f"{folder} can't be written by this account", "make it writable, or name another"
        )
    if not open_to_all and existing == folder and folder.stat().st_mode & 0o007:
        return Finding("warning", what, f"{folder} can be read by every account", "run `chmod o-rwx` on it")
    return Finding("ok", what, str(folder))


def _device(site: SiteFile) -> Finding:
    def look() -> str:
        machine = machine_of(site)
        return f"{machine.device}, {machine.threads} thread{'s' if machine.threads > 1 else ''}"

    return _graded("device", look)


def _programs() -> Finding:
    def look() -> str:
        require_flower()
        require_superexec()
        return ", ".join(f"{name} {version(name)}" for name in PROGRAMS)

    return _graded("versions", look)


def _coordinator(coordinator: Coordinator) -> Iterator[Finding]:
    yield _graded("key", lambda: _describe_key(coordinator))
    found = reach(coordinator)
    yield Finding("ok" if found.ok else "problem", "coordinator", found.sentence)
    if found.expiring:
        yield Finding("warning", "certificate", found.expiring)


def _describe_key(coordinator: Coordinator) -> str:
    check_private_key(coordinator.key)
    public = public_path(coordinator.key)
    shown = key_fingerprint(public) if public.is_file() else f"without its {public.name}"
    return f"{coordinator.key}\n{shown}\n(whether it is registered shows at `site start`)"


def _graded(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", what, look())
    except FedGraftError as error:
        return Finding("problem", what, str(error))
