"""``fedgraft site check``: is this site ready? One line for each thing that is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from rich.progress import track

from fedgraft.client.executor import require_superexec
from fedgraft.client.images import CaseReader, Reading
from fedgraft.client.keys import check_private_key, public_path
from fedgraft.client.limits import Limits
from fedgraft.client.manifest import Case, read_manifest
from fedgraft.client.reach import reach
from fedgraft.client.site import Coordinator, SiteFile, read_site_file
from fedgraft.client.task import require_flower
from fedgraft.common.errors import FedGraftError
from fedgraft.common.schema_data import Dicom
from fedgraft.common.ssh_keys import key_fingerprint

Grade = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    grade: Grade
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.grade:<8} {self.what}: {self.text}"


def check_site(path: Path) -> Iterator[Finding]:
    """Look at the site file, the cohort's files, the programs and the coordinator, in that order.

    No line holds the name of a case's file or a patient's id.
    """
    try:
        site = read_site_file(path)
    except FedGraftError as error:
        yield Finding("problem", "site file", str(error))
        return
    yield Finding("ok", "site file", f"site {site.name}, {path}")
    yield from _check_manifest(site)
    yield _check_folder("state", site.state)
    yield _check_folder("store", site.shared_store)
    yield from _check_programs()
    if site.coordinator is None:
        yield Finding("warning", "coordinator", "no `coordinator` section; `fedgraft site start` needs one")
    else:
        yield from _check_coordinator(site.coordinator)


def exit_code(findings: list[Finding]) -> int:
    """0 if there is no problem (warnings are allowed), else 1."""
    return 1 if any(finding.grade == "problem" for finding in findings) else 0


def _check_manifest(site: SiteFile) -> Iterator[Finding]:
    try:
        cases = read_manifest(site.manifest)
    except FedGraftError as error:
        yield Finding("problem", "manifest", str(error))
        return
    patients = len({case.patient for case in cases})
    labels = len({case.label for case in cases})
    yield Finding("ok", "manifest", f"{len(cases)} cases of {patients} patients, {labels} labels")
    lines = [line for line, case in enumerate(cases, start=2) if not _file(case).is_file()]
    if lines:
        some = ", ".join(map(str, lines[:10])) + (", ..." if len(lines) > 10 else "")
        text = f"{len(lines)} of {len(cases)} files do not exist or can't be read; lines {some} of the manifest"
        yield Finding("problem" if len(lines) == len(cases) else "warning", "images", text)
    else:
        yield _check_decoding(cases)


def _check_decoding(cases: Sequence[Case]) -> Finding:
    """Decode every case: one that fails at `site start` shuts the whole site out of a run."""
    reader, bad = CaseReader(Reading(Dicom("file", 0, "middle", 3, False), Limits())), []
    for line, case in enumerate(track(cases, "decoding", transient=True), start=2):
        try:
            reader(case)
        except FedGraftError as error:
            bad.append(f"line {line}: {error}")
    if bad:
        some = "; ".join(bad[:5]) + ("; ..." if len(bad) > 5 else "")
        return Finding("problem", "images", f"{len(bad)} of {len(cases)} cases can't be decoded; {some}")
    return Finding("ok", "images", f"all {len(cases)} cases decode")


def _file(case: Case) -> Path:
    return Path(case.path.partition("::")[0])


def _check_folder(what: str, folder: Path) -> Finding:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding("problem", what, f"{folder} can't be written by this account")
    if existing == folder and folder.stat().st_mode & 0o007:
        return Finding("warning", what, f"{folder} can be read by every account; run `chmod o-rwx` on it")
    return Finding("ok", what, str(folder))


def _check_programs() -> Iterator[Finding]:
    names = ", ".join(f"{name} {version(name)}" for name in ("fedgraft", "flwr", "torch", "timm"))
    try:
        require_flower()
        require_superexec()
    except FedGraftError as error:
        yield Finding("problem", "versions", str(error))
        return
    yield Finding("ok", "versions", names)


def _check_coordinator(coordinator: Coordinator) -> Iterator[Finding]:
    yield _graded("key", lambda: _describe_key(coordinator))
    found = reach(coordinator)
    yield Finding("ok" if found.ok else "problem", "coordinator", found.sentence)


def _describe_key(coordinator: Coordinator) -> str:
    check_private_key(coordinator.key)
    public = public_path(coordinator.key)
    shown = key_fingerprint(public) if public.is_file() else f"without its {public.name}"
    return f"{coordinator.key}, {shown} (whether it is registered shows at `site start`)"


def _graded(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", what, look())
    except FedGraftError as error:
        return Finding("problem", what, str(error))
