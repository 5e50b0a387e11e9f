"""The model that a command line names: its folder, the site to be at, the packages it may use."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from fedgraft.client.prediction.loading import Call, LoadedModel, load
from fedgraft.client.prediction.sites import SITE_FILE, find_site, simulated
from fedgraft.client.site.fetched import model_at
from fedgraft.client.site.machine import Machine
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.plan.types import OURS


def add_model(parser: argparse.ArgumentParser, site: str) -> None:
    """Add the arguments that name a model.

    Args:
        site: what a site is for, in words.
    """
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="a model's folder, or a run's; with --site also the name of a fetched one",
    )
    parser.add_argument("--site", metavar="FILE|NAME", help=site)
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a package besides fedgraft from which the model's plan may use parts here",
    )


def loaded_as_asked(
    given: argparse.Namespace, command: str, machine: Callable[[SiteFile | None], Machine], *, scale_from_cases: bool
) -> LoadedModel:
    """Load the model.

    Args:
        command: for messages.
        machine: of a site.

    Raises:
        ModelError, PlanError, SiteFileError: as `fedgraft.client.prediction.loading.load` and `find_site`.
    """
    folder = open_model(model_at(given.model, _site_at(given.site)))
    text = command if given.site is None else f"--site {given.site}"
    site = None if given.site is None else find_site(given.site, folder, text)
    names = ", ".join(simulated(folder))
    hint = f" (of this simulation: {names})" if names else ""
    call = Call(text, f"name a site that trained it: --site site.yaml{hint}")
    trusted = (*(OURS if site is None else site.trusted), *given.allow)
    return load(folder, call, site, trusted, machine(site), scale_from_cases=scale_from_cases)


def _site_at(asked: str | None) -> SiteFile | None:
    """The site that a path names, by whose fetched models MODEL is looked for; a name is of a simulation's site."""
    path = None if asked is None else Path(asked).expanduser()
    file = path / SITE_FILE if path is not None and path.is_dir() else path
    return read_site_file(file) if file is not None and file.is_file() else None


def require_writable(out: Path, force: bool) -> None:
    """
    Raises:
        DataError: the output would overwrite something, or can't be written.
    """
    if out.is_dir():
        raise DataError(f"--out {out} is a folder; name a file")
    if out.exists() and not force:
        raise DataError(f"--out {out} exists and is not overwritten; name another file, or add --force")
    if not out.resolve().parent.is_dir():
        raise DataError(f"--out {out}: its folder does not exist")
    if reason := _no_file_in(out.resolve().parent):
        raise DataError(f"--out {out}: no file can be made in its folder ({reason}); name another folder")


def _no_file_in(folder: Path) -> str | None:
    """Why no file can be made in a folder that is there."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def require_new_folder(option: str, folder: Path, force: bool) -> None:
    """
    Raises:
        DataError: what is written would mix with other files, or can't be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{option} {folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise DataError(f"{option} {folder} is not empty; name another folder, or add --force")
    there = next(one for one in (folder.resolve(), *folder.resolve().parents) if one.exists())
    if not there.is_dir():
        raise DataError(f"{option} {folder}: {there} is a file, in which no folder can be made")
    if reason := _no_file_in(there):
        raise DataError(f"{option} {folder}: nothing can be made in {there} ({reason}); name another folder")
