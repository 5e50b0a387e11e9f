"""A hardened unit of systemd for a command that stays: it may write to its own folders, and to nothing else.

Directives as in systemd.exec(5) and systemd.service(5). Not used on purpose: MemoryDenyWriteExecute, since networks'
kernels are compiled while they run, and PrivateDevices where a GPU may be used.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgraft.common.errors import DeploymentError

_UNIT = """\
# {where}
# Put it there, then: systemctl daemon-reload && systemctl enable --now {name}
[Unit]
Description={description}
After=network-online.target
Wants=network-online.target

[Service]
User={user}
WorkingDirectory={folder}
ExecStart={command}
Restart=on-failure
RestartSec=60
TimeoutStopSec=60
KillMode=mixed
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writes}
PrivateTmp=yes
{devices}ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""
_FOLDER = Path("/etc/systemd/system")


@dataclass(frozen=True)
class Service:
    """What a unit starts.

    Attributes:
        name: of the unit, without ``.service``.
        command: program and arguments, absolute.
        folder: the working directory.
        writes: folders that it may write to; all must be there before it starts.
        user: the account; ``None`` for the one that writes the unit.
        devices: whether it may use the machine's devices (a GPU).
    """

    name: str
    description: str
    command: Sequence[str]
    folder: Path
    writes: Sequence[Path]
    user: str | None = None
    devices: bool = False


def unit_of(service: Service) -> str:
    """The text of the unit.

    Raises:
        DeploymentError: a path or a word can't stand in a unit, or the account is root's.
    """
    user = getpass.getuser() if service.user is None else service.user
    if user == "root":
        raise DeploymentError("the service must not run as root; name its account with --user")
    return _UNIT.format(
        where=_FOLDER / f"{service.name}.service",
        name=service.name,
        description=service.description,
        user=_word(user),
        folder=_word(str(service.folder)),
        command=" ".join(map(_word, service.command)),
        writes=" ".join(_word(str(path)) for path in dict.fromkeys(service.writes)),
        devices="" if service.devices else "PrivateDevices=yes\n",
    )


def _word(text: str) -> str:
    """
    Raises:
        DeploymentError: systemd would read it as more than one word, or as something else.
    """
    if not text or any(letter.isspace() or letter in "\"'\\%$;#" for letter in text):
        raise DeploymentError(
            f"{text!r} can't stand in a unit of systemd: use a path without spaces, quotes, %, $, ; or #"
        )
    return text
