"""Whether other accounts of this machine can read the manifest, or the files of cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedgraft.client.check.formatting import count_of, lines_of
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.cohort.case import Case
from fedgraft.common.runtime.private import open_to_others

_MOST_FOLDERS = 10_000


def describe_access(manifest: Path, cases: Sequence[Case]) -> Section:
    """Name the manifest if others can read it, and the folders of cases if others can list them or read a file there.

    Folders are named by a line of the manifest: they may be called after a patient.

    Args:
        cases: as the manifest lists them.
    """
    first: dict[Path, tuple[Path, int]] = {}
    for line, case in enumerate(cases, start=2):
        file = Path(case.path.partition("::")[0])
        first.setdefault(file.parent, (file, line))
    folders = [(folder, *found) for folder, found in first.items()][:_MOST_FOLDERS]
    is_open = [line for folder, file, line in folders if open_to_others(folder) or open_to_others(file)]
    return Section("who can read it", (_manifest(manifest), _cases(is_open, len(folders))))


def _manifest(manifest: Path) -> Finding:
    if open_to_others(manifest):
        text = f"{manifest} can be read by every account of this machine"
        return Finding("warning", "manifest file", text, "run `chmod 600` on it, or `chmod o-rwx` on a folder above it")
    return Finding("ok", "manifest file", "can't be read by every account of this machine")


def _cases(lines: list[int], folders: int) -> Finding:
    if not lines:
        return Finding("ok", "case files", "no folder of cases can be read by every account of this machine")
    which = f"{len(lines)} of {count_of(folders, 'folder')} of cases"
    text = f"{which} can be read by every account of this machine: see the files of {lines_of(lines)}"
    return Finding("warning", "case files", text, "run `chmod -R o-rwx` on them, or `chmod o-rwx` on a folder above")
