"""The coordinator's folder: certificates, database, registered sites, logs and runs, each at a fixed path.

From a backup of ``ca.key``, ``ca.crt``, ``link/`` and ``sites.json`` a coordinator can be rebuilt without any change at
the sites.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import replacing, write_private
from fedgraft.server.deployment.pki import issue_server_certificate, make_authority

REGISTERED = "registered.json"  # file in a run's folder: names of sites by node id, for the ServerApp
LIVE = "register.json"  # likewise: ``sites``, the path of the coordinator's own list, which can change during a run
LEFT_OUT = "left-out.json"  # likewise: names by node id of sites that the plan does not fit, and that are not asked
TRACKING = "tracking.json"  # likewise: the plan's section, which can name a folder here and goes to no site
CHECKPOINTS, COMPLETE = "checkpoint", "complete"  # folder in a run's folder; file in that, once all is written

Port = Annotated[int, Field(ge=1, le=65535)]
CONNECTION = "link"
"""The name of our SuperLink in the Flower CLI's own configuration."""


@dataclass(frozen=True)
class Settings:
    """The content of ``coordinator.yaml``.

    Attributes:
        hosts: names and addresses by which sites reach this machine; the certificate names them all.
        port: the public port (the gateway's).
        listen: the address that the gateway binds; ``0.0.0.0`` for every network of this machine.
        internal_port: the SuperLink's own port, on loopback only.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    hosts: Annotated[tuple[str, ...], Field(min_length=1)]
    port: Port = 8443
    listen: str = "0.0.0.0"
    internal_port: Port = 8444


@dataclass(frozen=True)
class Folder:
    """The paths of one coordinator's files."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "coordinator.yaml"

    @property
    def authority(self) -> Path:
        return self.root / "ca.crt"

    @property
    def authority_key(self) -> Path:
        return self.root / "ca.key"

    @property
    def certificate(self) -> Path:
        return self.root / "server.crt"

    @property
    def certificate_key(self) -> Path:
        return self.root / "server.key"

    @property
    def secret(self) -> Path:
        return self.root / "superexec.secret"

    @property
    def link(self) -> Path:
        return self.root / "link"

    @property
    def cli_home(self) -> Path:
        return self.root / "cli"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def facts(self) -> Path:
        """What sites tell of themselves (`fedgraft.server.deployment.public.announced`)."""
        return self.root / "facts"

    @property
    def heads(self) -> Path:
        """What sites said of their logs (`fedgraft.server.audit`): for each its statements, ``NAME.jsonl``."""
        return self.root / "heads"

    @property
    def sites_file(self) -> Path:
        return self.root / "sites.json"

    @property
    def invitations_file(self) -> Path:
        return self.root / "invitations.json"

    def settings(self) -> Settings:
        """Read ``coordinator.yaml``; every problem in it is reported at once.

        Raises:
            DeploymentError: the folder is no coordinator's, or the file is wrong.
        """
        if not self.settings_file.is_file():
            raise DeploymentError(
                f"{self.root} holds no coordinator.yaml; `fedgraft coordinator init` makes such a folder"
            )
        try:
            raw = yaml.safe_load(self.settings_file.read_text(encoding="utf-8"))
            return TypeAdapter(Settings).validate_python(raw)
        except yaml.YAMLError as error:
            raise DeploymentError(f"{self.settings_file} is not valid YAML: {error}") from error
        except ValidationError as error:
            lines = [f"  - {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise DeploymentError(f"{self.settings_file} is wrong:\n" + "\n".join(lines)) from error


@dataclass(frozen=True)
class RegisteredSite:
    """A site that is registered with the SuperLink. Its name is kept here, since Flower stores none.

    ``cases``: the most training cases that it can have, as confirmed with the hospital by another way than the wire;
    ``None`` if that was not asked.
    """

    name: str
    node_id: str
    fingerprint: str
    cases: int | None = None


def create(root: Path, settings: Settings) -> Folder:
    """Create a new coordinator's folder: certificate authority, server certificate, secret and settings.

    Raises:
        DeploymentError: there is one already, or a host is neither a name nor an address.
    """
    folder = Folder(root.resolve())
    if folder.settings_file.exists() or folder.authority_key.exists():
        raise DeploymentError(f"{root} is a coordinator's folder already; nothing was changed")
    if settings.port == settings.internal_port:
        raise DeploymentError("--port and --internal-port must differ")
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_authority(folder.authority, folder.authority_key)
    renew(folder, settings)
    write_private(folder.secret, secrets.token_bytes(48))
    folder.link.mkdir(mode=0o700)
    content = {**asdict(settings), "hosts": list(settings.hosts)}
    folder.settings_file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return folder


def renew(folder: Folder, settings: Settings) -> None:
    """Issue a new server certificate from the same authority; nothing changes for the sites."""
    issue_server_certificate(
        folder.authority, folder.authority_key, folder.certificate, folder.certificate_key, settings.hosts
    )


def read_sites(folder: Folder) -> tuple[RegisteredSite, ...]:
    """The registered sites, in the order of registration."""
    if not folder.sites_file.is_file():
        return ()
    return tuple(RegisteredSite(**entry) for entry in json.loads(folder.sites_file.read_text(encoding="utf-8")))


def write_sites(folder: Folder, sites: tuple[RegisteredSite, ...]) -> None:
    """Replace the list of registered sites atomically."""
    with replacing(folder.sites_file) as partial:
        partial.write_text(json.dumps([asdict(site) for site in sites], indent=2) + "\n", encoding="utf-8")


def names_in(path: Path) -> dict[int, str]:
    """Site names by node id in a file that ``fedgraft coordinator run`` left in a run's folder; empty if it left
    none."""
    return {int(node): name for node, name in json.loads(path.read_text()).items()} if path.is_file() else {}


def confirmed_cases(out: Path) -> dict[str, int]:
    """The most training cases that a site can have, by name, as the coordinator of a run has registered them now;
    empty if it registered none, or for a simulation."""
    live = out / LIVE
    path = Path(json.loads(live.read_text(encoding="utf-8"))["sites"]) if live.is_file() else None
    if path is None or not path.is_file():
        return {}
    sites = json.loads(path.read_text(encoding="utf-8"))
    return {site["name"]: site["cases"] for site in sites if site.get("cases") is not None}


def sites_of(out: Path) -> list[str]:
    """The names of the sites that a run asks: those that are registered now, and not left out."""
    left_out, live = names_in(out / LEFT_OUT), out / LIVE
    path = Path(json.loads(live.read_text(encoding="utf-8"))["sites"]) if live.is_file() else None
    if path is None or not path.is_file():
        return [name for node, name in names_in(out / REGISTERED).items() if node not in left_out]
    sites = json.loads(path.read_text(encoding="utf-8"))
    return [site["name"] for site in sites if int(site["node_id"]) not in left_out]
