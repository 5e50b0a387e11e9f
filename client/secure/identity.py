"""How a site introduces itself to the others of a run: by its key for the run, signed by its registered one."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from fedgraft.client.site.keys import check_private_key
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import make_once
from fedgraft.common.secure.circle import Card
from fedgraft.common.secure.keys import public_of, signed
from fedgraft.common.secure.member import Member

UNREGISTERED = "secure.key"
"""In the state folder of a simulated site: a key in place of the one that a coordinator would have registered."""


def card_of(member: Member, site: SiteFile) -> Card:
    """The card of a site.

    Raises:
        DeploymentError: its registered key can't be used.
    """
    key = _registered(site)
    registered = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    public = public_of(member.private)
    return Card(member.name, public, registered, signed(key, member.run, member.name, public))


def _registered(site: SiteFile) -> ec.EllipticCurvePrivateKey:
    path = _made(site.state / UNREGISTERED) if site.coordinator is None else site.coordinator.key
    check_private_key(path)
    key = load_ssh_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise DeploymentError(f"key {path} is no EC key")
    return key


def _made(path: Path) -> Path:
    if not path.is_file():
        key = ec.generate_private_key(ec.SECP384R1())
        make_once(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return path
