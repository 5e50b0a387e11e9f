"""The command ``fedgraft site join``: from an invitation's line to a site that is connected."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.check import command as check_command
from fedgraft.client.joining.applying import NotInvitedError, apply, fetch_authority
from fedgraft.client.site.first_file import AUTHORITY, UNKNOWN, first_file, key_file
from fedgraft.client.site.keys import check_private_key, make_key_pair, public_path
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import DeploymentError, SiteFileError
from fedgraft.common.runtime.files import replacing
from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.invitation import Invitation
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.ssh_keys import key_fingerprint

DESCRIPTION = """\
Takes up the invitation that a coordinator gave you as one line: makes this site's key, checks the coordinator by the
line's fingerprint, registers the key over TLS, writes site.yaml, checks the cohort (`fedgraft site check`), and stays
connected (`fedgraft site start`). Nothing about a case is sent. Look at `release` in site.yaml before the first run;
`--no-start` ends after the check. Cut off, it goes on when the same command is given again.
Exit code: that of `site start`; with --no-start 0, or 1 if the check found a problem; 2: not joined.
"""
POLL_SECONDS = 2.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("invitation", metavar="LINE", help="fedgraft:NAME@HOST:PORT/...")
    parser.add_argument("--manifest", type=Path, help="the cohort's CSV or Parquet file, unless --out names it")
    parser.add_argument(
        "--out", type=Path, default=Path("site.yaml"), help="what is written, or goes on (default: %(default)s)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="check N cases only, evenly spread (default: all)")
    parser.add_argument("--no-start", action="store_true", help="end after the check")


def run(given: argparse.Namespace) -> int:
    """Join, check, and become `fedgraft site start`.

    Raises:
        DeploymentError: the invitation can't be used.
        SiteFileError: a file is there that is not of this invitation.
    """
    invitation = Invitation.read(given.invitation)
    place = _place(given.out, given.manifest, invitation)
    _registered(invitation, _authority(place.authority, invitation), place.key)
    with replacing(given.out) as partial:
        partial.write_text(place.text, encoding="utf-8")
    say(f"registered as {invitation.name}; wrote {given.out}: look at what may leave (`release`)")
    code = check_command.run_with(given.out, *([] if given.sample is None else ["--sample", str(given.sample)]))
    if code or given.no_start:
        what = "mend what the check names, then" if code else "next:"
        say(f"{what} fedgraft site start --site {given.out}")
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    command = module("fedgraft.common.cli", "site", "start", "--site", str(given.out))
    return os.execv(command[0], command)  # which never returns, and holds little memory


@dataclass(frozen=True)
class _Place:
    """Where a site's files go. ``text``: of its site file."""

    text: str
    authority: Path
    key: Path


def _place(out: Path, manifest: Path | None, invitation: Invitation) -> _Place:
    """
    Raises:
        SiteFileError: there is no manifest, or a site file that joined already, or is of another site.
    """
    if out.exists():
        return _begun(out, manifest, invitation)
    if manifest is None:
        raise SiteFileError(f"--manifest FILE is needed: {out} does not exist, which would name the cohort")
    if not manifest.is_file():
        raise SiteFileError(f"--manifest {manifest} does not exist; `fedgraft site draft FOLDER` makes one")
    folder, text = out.resolve().parent, first_file(invitation.name, manifest.resolve(), invitation.address)
    return _Place(text, folder / AUTHORITY, folder / key_file(invitation.name))


def _begun(out: Path, manifest: Path | None, invitation: Invitation) -> _Place:
    """The place of a site whose file `fedgraft site init` made.

    Raises:
        SiteFileError: as `_place`.
    """
    site, text = read_site_file(out), out.read_text(encoding="utf-8")
    if site.name != invitation.name:
        raise SiteFileError(f"{out} is of site {site.name}, the invitation for {invitation.name}; give another --out")
    if site.coordinator is None or UNKNOWN not in text:
        raise SiteFileError(f"{out} names its coordinator already; if it joined, fedgraft site start --site {out}")
    if manifest is not None and manifest.resolve() != site.manifest:
        raise SiteFileError(f"{out} names another manifest than --manifest {manifest}; leave --manifest out")
    return _Place(text.replace(UNKNOWN, invitation.address), site.coordinator.ca, site.coordinator.key)


def _authority(path: Path, invitation: Invitation) -> Path:
    """
    Raises:
        SiteFileError: another authority lies there.
    """
    content = fetch_authority(invitation)
    if path.is_file() and path.read_bytes() != content:
        raise SiteFileError(f"{path} is the authority of another coordinator; give --out in a folder of its own")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def _registered(invitation: Invitation, authority: Path, key: Path) -> None:
    """Make the key, unless a join that was cut off made it, and wait until it is registered.

    Raises:
        DeploymentError: the coordinator refuses, or the invitation ends before someone confirms the key.
    """
    known = key.exists()
    if known:
        check_private_key(key)
    else:
        make_key_pair(key, invitation.name)
    shown = key_fingerprint(public_path(key))
    told = False
    while not _applied(invitation, authority, key, known):
        if time.time() > invitation.until:
            raise DeploymentError("nobody confirmed this site's key before the invitation ended; ask for a new one")
        if not told:
            say(f"waiting for a person at the coordinator to confirm this key; read them by telephone: {shown}")
            told = True
        time.sleep(POLL_SECONDS)
    say(f"the coordinator has registered this site's key {shown}")


def _applied(invitation: Invitation, authority: Path, key: Path, known: bool) -> bool:
    """`apply`; a key that was made for a line which is none goes again, so that no file has a mistyped name.

    Args:
        known: whether the key was there before.
    """
    try:
        return apply(invitation, authority, key)
    except NotInvitedError:
        if not known:
            key.unlink()
            public_path(key).unlink()
        raise
