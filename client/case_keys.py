"""Names what is kept of a case: a digest of everything that shapes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from fedgraft.client.decoding import Wanted
from fedgraft.client.manifest import Case
from fedgraft.client.views import Bank, view_fingerprint
from fedgraft.common.errors import DataError


def case_keys(cases: Iterable[Case], namespace: str) -> list[bytes]:
    """One key of 32 bytes per case: changes with the namespace, the file (path, size, time of change) and the row.

    Raises:
        DataError: a file does not exist.
    """
    stamps: dict[str, str] = {}
    keys = []
    for case in cases:
        file = case.path.partition("::")[0]
        if file not in stamps:
            stamps[file] = _stamp(Path(file))
        keys.append(hashlib.sha256(f"{namespace}|{case.path}|{stamps[file]}|{case.row}".encode()).digest())
    return keys


def view_keys(wanted: Iterable[Wanted], bank: Bank) -> list[bytes]:
    """One key per view of a case; a case as it is has the same key in every bank.

    Raises:
        DataError: a file does not exist.
    """
    wanted = list(wanted)
    keys = case_keys((one.case for one in wanted), "")
    return [
        key if one.view == 0 else hashlib.sha256(key + view_fingerprint(bank, one.case, one.view).encode()).digest()
        for key, one in zip(keys, wanted, strict=True)
    ]


def _stamp(file: Path) -> str:
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"{file} does not exist or can't be read; correct the manifest's `path`") from error
    return f"{status.st_size}|{status.st_mtime_ns}"
