"""What a data set's function returns to a simulation; finding and downloading the files of public data sets.

A data set is one function in a file of its own (`phantom`, `busi`, `manifest`), named in ``conf/data``. It takes those
arguments in `SUPPLIED` that it needs, and options of its own, and returns a `Source`.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fedgraft.client.cohort.case import Case
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError
from fedgraft.common.plan import parts
from fedgraft.common.plan.types import OURS
from fedgraft.common.runtime.files import replacing

VARIABLE = "FEDGRAFT_DATA"
OF_THE_PLAN = ("task", "classes", "image_size", "test", "val_fraction", "test_fraction")
SUPPLIED = frozenset({"root", "cache", "seed", *OF_THE_PLAN})
"""The arguments that a data set's function may take besides its options: ``root`` (the folder that ``FEDGRAFT_DATA``
names, or ``None``), ``cache`` (FedGraft's cache folder), ``seed``, and values of the plan's ``data`` section
(``classes`` is ``None`` while they are still to be found)."""
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Source:
    """The cases of a data set.

    Attributes:
        cases: all cases but the official test set.
        site_of: the hospital of each case, in the same order; ``None`` if the data set does not name hospitals.
        test: the official test set; empty if there is none.
        site_hint: what the user can do so that hospitals are named; ``""`` if nothing.
        own_patients: whether each hospital names patients and groups by itself: equal names at two hospitals are then
            different people.
        site_files: site files by hospital, if they exist; ``release``, ``limits`` and ``refuse_burned_in`` apply in
            the simulation too.
        notes: sentences for the user.
    """

    cases: tuple[Case, ...]
    site_of: tuple[str, ...] | None = None
    test: tuple[Case, ...] = ()
    site_hint: str = ""
    own_patients: bool = False
    site_files: Mapping[str, SiteFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_source(
    data: Mapping[str, Any], root: Path | None, cache: Path, seed: int, allowed: Iterable[str] = OURS
) -> Source:
    """Call the function that a plan's ``data`` section names.

    Args:
        data: the section's plain data, as in YAML.

    Raises:
        PlanError: the function is not allowed, or an option does not fit.
        DataError: the data set is not there and can't be downloaded, or is wrong.
    """
    known = {name: data.get(name) for name in OF_THE_PLAN}
    known["classes"] = None if known["classes"] is None else tuple(known["classes"])
    options = {name: value for name, value in data.items() if name not in (*OF_THE_PLAN, "_target_")}
    found: Source = parts.build(data["_target_"], "data", options, allowed, root=root, cache=cache, seed=seed, **known)
    return found


def data_root(environ: Mapping[str, str]) -> Path | None:
    """The folder that ``FEDGRAFT_DATA`` names, or ``None`` if it is not set.

    Raises:
        DataError: it does not name a folder.
    """
    value = environ.get(VARIABLE)
    if not value:
        return None
    root = Path(value).expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"{VARIABLE}={value} is not a folder; unset it, or name the one that holds the data sets")
    return root


def find(name: str, root: Path | None, cache: Path) -> Path | None:
    """The file ``name`` (relative) under ``root``, else under ``cache``, else ``None``."""
    folders = (cache,) if root is None else (root, cache)
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def places(name: str, root: Path | None, cache: Path) -> str:
    """A clause for an error's text: where `find` looked, and what to set or where to put the file."""
    said = f"{VARIABLE} is not set" if root is None else f"{VARIABLE}={root} does not hold {name}"
    return f"{said}; set {VARIABLE} to a folder that holds {name}, or put the file at {cache / name}"


def fetch(url: str, file: Path, md5: str, *, timeout: float = 10.0) -> None:
    """Download a publisher's file under a temporary name, check its digest, and rename it.

    Args:
        url: ``https://`` (or ``http://``, since the digest is checked).
        file: the path to download to; its folder is made.
        md5: hexadecimal, as the publisher gives it.
        timeout: seconds without an answer.

    Raises:
        DataError: no network, no such file, a wrong digest, or another scheme.
    """
    if urllib.parse.urlsplit(url).scheme not in ("https", "http"):
        raise DataError(f"{url}: only https:// and http:// are downloaded")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(file) as partial:
            digest = _download(url, partial, timeout)
            if digest != md5:
                raise DataError(f"{url}: md5 is {digest}, not {md5}; the download is damaged or the file has changed")
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise DataError(f"{url}: the download failed ({error})") from error


def _download(url: str, file: Path, timeout: float) -> str:
    """Download ``url`` to ``file`` with a progress bar; returns its md5."""
    digest = hashlib.md5(usedforsecurity=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with urllib.request.urlopen(url, timeout=timeout) as answer, file.open("wb") as stream:
        size = answer.headers.get("Content-Length")
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("download", total=None if size is None else int(size))
            while chunk := answer.read(_CHUNK):
                digest.update(chunk)
                stream.write(chunk)
                progress.advance(task, len(chunk))
    return digest.hexdigest()
