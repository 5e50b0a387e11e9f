"""How a site that has nothing but an invitation reaches its coordinator, and is registered there.

The certificate authority comes over a connection that is not verified, and is taken only if its SHA-256 is that of the
invitation. All that follows goes over connections that only this authority vouches for. The site's key is made before,
and signs the application; the private half never leaves.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedgraft.client.deployment.connection import SECONDS, connection_to, split_address, why_not
from fedgraft.client.deployment.proxy import proxy_for
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.invitation import (
    AUTHORITY_PATH,
    JOIN_PATH,
    NO_SUCH_INVITATION,
    Invitation,
    authority_digest,
)
from fedgraft.common.runtime.signed_requests import signed_headers

REGISTER_SECONDS = 120.0
"""A coordinator starts Flower's command to register a site: seconds, on a busy machine a minute."""
_MOST = 64 * 1024


class NotInvitedError(DeploymentError):
    """No invitation has the line's name and secret; the coordinator noted no key."""


_ANSWERS = {200: True, 202: False}


def fetch_authority(invitation: Invitation) -> bytes:
    """The certificate of the coordinator's authority, in PEM.

    Raises:
        DeploymentError: the coordinator can't be reached, or who answers is not the one that invited.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its content is compared instead
    with _asking(invitation, context) as connection:
        connection.request("GET", AUTHORITY_PATH)
        answer = connection.getresponse()
        content = answer.read(_MOST)
    if answer.status != 200:
        raise DeploymentError(
            f"{invitation.address} answers with status {answer.status}: it is no FedGraft coordinator, or an older one"
        )
    try:
        found = authority_digest(content)
    except ValueError:
        found = ""
    if found != invitation.authority:
        raise DeploymentError(
            f"who answers at {invitation.address} is not the coordinator that invited you (its authority is another); "
            "nothing was sent. Compare the line with the coordinator's, and ask whether a proxy opens TLS on the way"
        )
    return content


def apply(invitation: Invitation, authority: Path, key: Path) -> bool:
    """Ask to be registered with a key; false as long as a person at the coordinator must confirm it.

    Raises:
        NotInvitedError: no invitation has this name and secret.
        DeploymentError: the coordinator can't be reached, or refuses.
    """
    content = json.dumps({"name": invitation.name, "secret": invitation.secret}).encode()
    with _asking(invitation, ssl.create_default_context(cafile=str(authority))) as connection:
        connection.sock.settimeout(REGISTER_SECONDS)
        headers = {**signed_headers(key, JOIN_PATH, time.time(), content), "content-type": "application/json"}
        connection.request("POST", JOIN_PATH, body=content, headers=headers)
        answer = connection.getresponse()
        said = answer.read(_MOST).decode("utf-8", "replace").strip()
    if answer.status == 401:
        raise DeploymentError(f"{said}; set this machine's clock by NTP")
    if answer.status == NO_SUCH_INVITATION:
        raise NotInvitedError(f"the coordinator at {invitation.address} refuses: {said}")
    if answer.status not in _ANSWERS:
        raise DeploymentError(f"the coordinator at {invitation.address} refuses: {said}")
    return _ANSWERS[answer.status]


@contextmanager
def _asking(invitation: Invitation, context: ssl.SSLContext) -> Iterator[http.client.HTTPSConnection]:
    parts = split_address(invitation.address)
    if parts is None:
        raise DeploymentError(f"the invitation's address {invitation.address!r} is not host:port")
    connection = connection_to(parts, context, proxy_for(parts[0]))
    try:
        connection.connect()
        connection.sock.settimeout(SECONDS)
        yield connection
    except ssl.SSLCertVerificationError as error:
        raise DeploymentError(
            f"the coordinator's certificate is not made out to {parts[0]} ({error.verify_message}); ask for an "
            "invitation with an address that it is made out to"
        ) from error
    except socket.gaierror as error:
        raise DeploymentError(
            f"the name {connection.host} is not known to this machine's DNS; compare the line with the one that the "
            "coordinator gave you, then ask whoever runs this machine's network"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise DeploymentError(
            f"the coordinator at {invitation.address} can't be reached ({why_not(error)}); it must be started, "
            "and this machine must be let through to it, or to a proxy that HTTPS_PROXY names"
        ) from error
    finally:
        connection.close()
