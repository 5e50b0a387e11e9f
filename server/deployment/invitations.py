"""Invitations of a coordinator: made, kept without their secrets, and taken up once each.

``invitations.json`` holds one for each name. A secret is kept as its SHA-256 only: who reads the folder can't join.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import locked, replacing
from fedgraft.common.runtime.invitation import Invitation, authority_digest
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites
from fedgraft.server.deployment.sites import register

SECRET_BYTES = 16


class UnknownInvitationError(DeploymentError):
    """No invitation has this name and this secret."""


@dataclass(frozen=True)
class Kept:
    """An invitation as the coordinator keeps it.

    Attributes:
        secret: its SHA-256 (hex).
        until: when it ends, in seconds since 1970.
        cases: the most training cases that the site can have, if that was stated.
        confirmed: whether a key that comes with the secret is registered at once, or someone confirmed it.
        key: the public key that came with the secret, in OpenSSH's format; no other can use it any more.
    """

    name: str
    secret: str
    until: float
    cases: int | None = None
    confirmed: bool = True
    key: str | None = None


def invite(
    folder: Folder, names: Sequence[str], seconds: float, now: float, *, cases: int | None = None, confirm: bool = False
) -> list[Invitation]:
    """Make an invitation for each name, in the place of one that the name had.

    Args:
        seconds: how long they hold.
        confirm: whether a person must confirm each key (`confirm`) before it is registered.

    Raises:
        DeploymentError: a name is unusable, given twice or registered, or a number makes no sense.
    """
    _require_sense(folder, names, seconds, cases)
    settings, digest = folder.settings(), authority_digest(folder.authority.read_bytes())
    host = f"[{settings.hosts[0]}]" if ":" in settings.hosts[0] else settings.hosts[0]
    until = int(now + seconds) // 60 * 60
    made = [
        Invitation(name, f"{host}:{settings.port}", digest, secrets.token_urlsafe(SECRET_BYTES), until)
        for name in names
    ]
    with _changing(folder) as known:
        for one in made:
            known[one.name] = Kept(one.name, _digest(one.secret), one.until, cases, not confirm)
    return made


def admitted(folder: Folder, found: Kept) -> RegisteredSite:
    """Register the key that came with an invitation.

    Raises:
        DeploymentError: it can't be registered.
    """
    assert found.key is not None, "it came with the secret"
    with NamedTemporaryFile(dir=folder.root, suffix=".pub") as public:
        public.write(found.key.encode() + b"\n")
        public.flush()
        return register(folder, Path(public.name), found.name, found.cases)


Admit = Callable[[Folder, Kept], RegisteredSite]


def take_up(
    folder: Folder, name: str, secret: str, key: str, now: float, admit: Admit = admitted
) -> RegisteredSite | None:
    """Register a site that came with an invitation's secret; ``None`` as long as its key must be confirmed. Who comes
    again with the same key gets the same answer.

    Args:
        key: the site's public key, in OpenSSH's format, which has signed the application.
        admit: how its key is registered.

    Raises:
        DeploymentError: there is no such invitation, it has ended, or it was used with another key; or the site can't
            be registered. The sentence may be told to the site.
    """
    _known(read_invitations(folder), name, secret)  # before anyone waits for anything
    with _changing(folder) as known:
        found = _known(known, name, secret)
        if found.key not in (None, key):
            raise DeploymentError(
                "this invitation was used with another key; if that was not you, tell the coordinator by telephone"
            )
        site = next((site for site in read_sites(folder) if site.name == name), None)
        if site is not None and site.fingerprint == fingerprint(key.encode()):
            return site
        if now > found.until:
            raise DeploymentError("this invitation has ended; ask the coordinator for a new one")
        known[name] = found = replace(found, key=key)
    return _let_in(folder, found, admit) if found.confirmed else None


def _known(invitations: Mapping[str, Kept], name: str, secret: str) -> Kept:
    """
    Raises:
        UnknownInvitationError: no invitation of this name has this secret.
    """
    found = invitations.get(name)
    if found is None or not hmac.compare_digest(found.secret, _digest(secret)):
        raise UnknownInvitationError(
            "no invitation has this name and this secret: compare the line, letter by letter, with the one that the "
            "coordinator gave you; if it is the same, a newer one took its place, or it was taken back: ask for another"
        )
    return found


def _let_in(folder: Folder, found: Kept, admit: Admit) -> RegisteredSite:
    """
    Raises:
        DeploymentError: it can't be registered; why is in the gateway's log, and no business of the site.
    """
    try:
        return admit(folder, found)
    except DeploymentError as error:
        say(f"the invitation of {found.name}: {error}")
        raise DeploymentError("the coordinator can't register this key now; its own log says why") from None


def confirm(folder: Folder, name: str) -> RegisteredSite:
    """Register a site whose key has come and was compared by telephone.

    Raises:
        DeploymentError: none has come for this name, or it can't be registered.
    """
    found = read_invitations(folder).get(name)
    if found is None or found.key is None:
        waiting = ", ".join(one.name for one in waiting_in(folder)) or "none"
        raise DeploymentError(f"no key has come for {name!r}; waiting to be confirmed: {waiting}")
    site = admitted(folder, found)
    with _changing(folder) as known:
        known[name] = replace(found, confirmed=True)
    return site


def withdraw(folder: Folder, name: str) -> None:
    """Take an invitation back; it can't be used any more.

    Raises:
        DeploymentError: there is none for this name.
    """
    with _changing(folder) as known:
        if known.pop(name, None) is None:
            open_ones = ", ".join(known) or "none"
            raise DeploymentError(f"there is no invitation for {name!r}; there are: {open_ones}")


def waiting_in(folder: Folder) -> list[Kept]:
    """Invitations whose key waits to be confirmed."""
    return [one for one in read_invitations(folder).values() if one.key is not None and not one.confirmed]


@dataclass(frozen=True)
class Invited:
    """An invitation that is not taken up, or whose key waits to be confirmed.

    Attributes:
        until: when it ends, in seconds since 1970.
        state: ``open``, ``ended``, or ``to confirm``.
        key: the fingerprint to compare by telephone, if it is to be confirmed.
    """

    name: str
    until: float
    state: Literal["open", "ended", "to confirm"]
    key: str | None = None


def invited(folder: Folder, now: float) -> tuple[Invited, ...]:
    """The invitations of those that are not registered yet."""
    registered = {site.name for site in read_sites(folder)}
    return tuple(_invited(one, now) for one in read_invitations(folder).values() if one.name not in registered)


def _invited(one: Kept, now: float) -> Invited:
    if one.key is not None and not one.confirmed:
        return Invited(one.name, one.until, "to confirm", fingerprint(one.key.encode()))
    return Invited(one.name, one.until, "ended" if now > one.until else "open")


def told(folder: Folder, now: float) -> list[str]:
    """A line for each invitation that is not taken up, or whose key waits to be confirmed."""
    lines = []
    for one in invited(folder, now):
        if one.state == "to confirm":
            lines.append(
                f"{one.name}: compare {one.key} by telephone, then fedgraft coordinator confirm DIR {one.name}"
            )
        elif one.state == "ended":
            lines.append(f"{one.name}: the invitation has ended, unused")
        else:
            lines.append(f"{one.name}: invited, until {time.strftime('%d %B %H:%M UTC', time.gmtime(one.until))}")
    return lines


def read_invitations(folder: Folder) -> dict[str, Kept]:
    """All invitations by name, used ones and those that have ended, too."""
    if not folder.invitations_file.is_file():
        return {}
    content = json.loads(folder.invitations_file.read_text(encoding="utf-8"))
    return {one["name"]: Kept(**one) for one in content}


def _require_sense(folder: Folder, names: Sequence[str], seconds: float, cases: int | None) -> None:
    """
    Raises:
        DeploymentError: as `invite`.
    """
    registered = {site.name for site in read_sites(folder)}
    for name in names:
        if not SITE_NAME.fullmatch(name):
            raise DeploymentError(f"{name!r} is no name of a site: letters, digits, - and _ (at most 64)")
        if name in registered:
            raise DeploymentError(f"{name} is registered already; unregister it first to invite it anew")
    if len(set(names)) < len(names):
        raise DeploymentError("each name can be invited once; one was given twice")
    if not 60 <= seconds <= 30 * 86400:
        raise DeploymentError("--hours must be from a minute (0.02) to thirty days (720)")
    if cases is not None and cases < 1:
        raise DeploymentError(f"--cases {cases} must be the hospital's number of training cases, 1 or more")


@contextmanager
def _changing(folder: Folder) -> Iterator[dict[str, Kept]]:
    """The invitations by name, written back at the end unless it fails; nobody else changes them meanwhile."""
    with locked(folder.root / "invitations.lock"):
        known = read_invitations(folder)
        yield known
        with replacing(folder.invitations_file, private=True) as partial:
            partial.write_text(json.dumps([asdict(one) for one in known.values()], indent=2) + "\n", encoding="utf-8")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
