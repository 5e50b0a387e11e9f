"""Check whether this site can reach its coordinator: one HTTPS request, and a sentence for each way it can fail; and
why a SuperNode that had reached it ended.

The request takes the way that Flower's own calls take: through the proxy that site.yaml or the environment names.
"""

from __future__ import annotations

import email.utils
import http.client
import signal
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from fedgraft.client.deployment.proxy import Proxy, proxy_to
from fedgraft.client.deployment.signals import UNUSABLE
from fedgraft.client.site.keys import public_path
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.ssh_keys import key_fingerprint

SECONDS = 6.0
CONNECT_SECONDS = 4.0
"""For each address of a name; who does not answer is named within ten seconds."""
AHEAD_SECONDS = 5.0
BEHIND_SECONDS = 300.0
"""Flower refuses a site whose clock is further off than these (``SYSTEM_TIME_TOLERANCE``, ``TIMESTAMP_TOLERANCE``)."""

AUTHORITY_NAME = "FedGraft coordinator CA"
"""The common name of every coordinator's authority (`fedgraft.server.deployment.pki`)."""
WARN_DAYS = 30
PATIENCE_SECONDS = 900.0
"""For which a coordinator that can't be reached is tried again; and one that refuses the site:"""
REFUSED_SECONDS = 150.0
CONNECTED = "SuperNode ID:"
REFUSED = "[code: 2004]"
"""In the output of Flower's SuperNode: that it came in, and that it was refused."""


@dataclass(frozen=True)
class Reach:
    """The result of one request.

    Attributes:
        ok: the coordinator answered, with a certificate that the site's CA vouches for.
        lasting: waiting will not help; somebody must change something.
        sentence: what happened and what to do about it.
        expiring: that the coordinator's certificate, or its authority's, ends within thirty days; else empty.
    """

    ok: bool
    lasting: bool
    sentence: str
    expiring: str = ""


@dataclass(frozen=True)
class Trouble:
    """Why the site is not connected. ``seconds``: for how long to try again; 0 for not at all."""

    sentence: str
    seconds: float


def split_address(address: str) -> tuple[str, int] | None:
    """``host:port`` or ``[IPv6]:port`` as a pair; ``None`` if it is neither."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return host, int(port)


def reach(coordinator: Coordinator, seconds: float = SECONDS) -> Reach:
    """Ask the coordinator's ``/health`` over TLS, trusting only the site's CA file."""
    parts = split_address(coordinator.address)
    if parts is None:
        return _never(f"coordinator.address {coordinator.address!r} must be host:port, without https://")
    try:
        context = ssl.create_default_context(cafile=str(coordinator.ca))
    except (OSError, ssl.SSLError) as error:
        return _never(f"coordinator.ca {coordinator.ca} can't be used ({error}); it must be the coordinator's ca.crt")
    try:
        proxy = proxy_to(coordinator)
    except DeploymentError as error:
        return _never(str(error))
    if proxy is not None and not proxy.usable:
        return _never(f"{proxy.variable} names a proxy that can't be used here ({proxy.scheme}); an http:// proxy can")
    if proxy is not None and (silent := _silence_of(proxy)):
        return _later(f"the proxy at {proxy.host}:{proxy.port} from {proxy.variable} does not answer ({silent})")
    connection = connection_to(parts, context, proxy)
    try:
        connection.connect()
        connection.sock.settimeout(seconds)
        soon = _expiring(coordinator, connection.sock.getpeercert(), time.time())
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
    except ssl.SSLCertVerificationError as error:
        return _never(_certificate_sentence(coordinator, parts, proxy, error))
    except socket.gaierror:
        return _later(f"the name {parts[0]} of the coordinator is not known to this machine's DNS")
    except (OSError, http.client.HTTPException) as error:
        by = f" through the proxy at {proxy.host}:{proxy.port} from {proxy.variable}" if proxy is not None else ""
        return _later(f"the coordinator at {coordinator.address} can't be reached{by} ({why_not(error)})")
    finally:
        connection.close()
    return replace(_judge(coordinator, answer), expiring=soon)


def _expiring(coordinator: Coordinator, certificate: Mapping[str, Any] | None, now: float) -> str:
    """`Reach.expiring`, from what `ssl.SSLSocket.getpeercert` gives."""
    authority = x509.load_pem_x509_certificate(coordinator.ca.read_bytes()).not_valid_after_utc.timestamp()
    left = int((authority - now) // 86400)
    if left < WARN_DAYS:
        return f"the coordinator's authority ({coordinator.ca}) ends in {left} days; ask for a new ca.crt"
    until = ssl.cert_time_to_seconds(str((certificate or {})["notAfter"]))
    left = int((until - now) // 86400)
    if left < WARN_DAYS:
        return f"the coordinator's certificate ends in {left} days; `fedgraft coordinator renew` there makes a new one"
    return ""


def connection_to(
    address: tuple[str, int], context: ssl.SSLContext, proxy: Proxy | None = None
) -> http.client.HTTPSConnection:
    """A connection to the coordinator that is not made yet, through a proxy if there is one."""
    if proxy is None:
        return http.client.HTTPSConnection(*address, timeout=CONNECT_SECONDS, context=context)
    connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=CONNECT_SECONDS, context=context)
    connection.set_tunnel(*address, headers=proxy.headers)
    return connection


def _silence_of(proxy: Proxy) -> str:
    """Why no connection to a proxy can be made; empty if one can."""
    try:
        socket.create_connection((proxy.host, proxy.port), CONNECT_SECONDS).close()
    except OSError as error:
        return why_not(error)
    return ""


def _judge(coordinator: Coordinator, answer: http.client.HTTPResponse) -> Reach:
    if answer.status in (502, 503, 504):
        return _later(f"the coordinator at {coordinator.address} is starting or stopping")
    if answer.status != 200:
        return _never(f"{coordinator.address} answers with status {answer.status}: it is no FedGraft coordinator")
    stamp = email.utils.parsedate_tz(answer.headers.get("date", ""))
    if stamp is not None:
        ahead = time.time() - email.utils.mktime_tz(stamp)
        if not -BEHIND_SECONDS < ahead < AHEAD_SECONDS:
            way = "ahead of" if ahead > 0 else "behind"
            return _later(
                f"this machine's clock is {abs(ahead):.0f} s {way} the coordinator's, which refuses "
                "signatures that far off; set both by NTP"
            )
    return Reach(ok=True, lasting=False, sentence=f"the coordinator at {coordinator.address} answers")


def _certificate_sentence(
    coordinator: Coordinator, address: tuple[str, int], proxy: Proxy | None, error: ssl.SSLCertVerificationError
) -> str:
    host, text = address[0], error.verify_message
    if "mismatch" in text.lower():
        return (
            f"the coordinator's certificate is not made out to {host}; use the address that the coordinator "
            "gave you, or ask for a certificate with this name"
        )
    if "expired" in text or "not yet valid" in text:
        return f"the coordinator's certificate does not hold today ({text}); renew it, or set the clock right"
    issuer = _issuer_at(address, proxy)
    if issuer and issuer != AUTHORITY_NAME:
        return (
            f"a proxy or firewall on the way opens TLS: the certificate that comes from {coordinator.address} was "
            f"issued by {issuer!r}, and not by the coordinator's own authority; have TLS to this address passed on "
            "unopened"
        )
    return (
        f"the coordinator at {coordinator.address} is not the one that coordinator.ca ({coordinator.ca}) "
        f"vouches for ({text}); ask for its present ca.crt"
    )


def _issuer_at(address: tuple[str, int], proxy: Proxy | None) -> str:
    """Who issued the certificate that is shown there, by common name, else organisation; empty if none comes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is looked at, not believed
    connection = connection_to(address, context, proxy)
    try:
        connection.connect()
        shown = x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True) or b"").issuer
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        connection.close()
    names = [
        *shown.get_attributes_for_oid(NameOID.COMMON_NAME),
        *shown.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
    ]
    return str(names[0].value)[:80] if names else ""


def why_not(error: Exception) -> str:
    """Why a connection failed, in the system's words or the proxy's."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed: 407"):
        return "407: it asks for a user and a password; `coordinator.proxy` in site.yaml has `user` and `password`"
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return str(error).removeprefix("Tunnel connection failed: ")  # the proxy's own words
    return getattr(error, "strerror", None) or type(error).__name__


def _later(sentence: str) -> Reach:
    return Reach(ok=False, lasting=False, sentence=sentence)


def _never(sentence: str) -> Reach:
    return Reach(ok=False, lasting=True, sentence=sentence)


def trouble_of(found: Reach, patience: float) -> Trouble:
    """The `Trouble` of a failed request."""
    return Trouble(found.sentence, 0.0 if found.lasting else patience)


def explain_end(
    output: str, code: int, site: SiteFile, coordinator: Coordinator, patience: float = PATIENCE_SECONDS
) -> Trouble:
    """Why a SuperNode ended by itself, from its output and its exit code."""
    if REFUSED in output or (code == 0 and CONNECTED not in output):  # so Flower's SuperNode ends at status 401
        public = public_path(coordinator.key)
        shown = f"{public} (key {key_fingerprint(public)})" if public.is_file() else str(public)
        return Trouble(
            f"the coordinator does not admit site {site.name}: its key is not registered, or it still counts "
            f"the site as online from before (for about a minute); have it register {shown}",
            min(patience, REFUSED_SECONDS),
        )
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return Trouble(f"the coordinator is not the one that coordinator.ca ({coordinator.ca}) vouches for", 0.0)
    lines = [line for line in output.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else "it wrote nothing"
    if code == UNUSABLE:
        return Trouble(last, 0.0)
    if code == -signal.SIGKILL:
        return Trouble("the SuperNode was killed (signal 9)", patience)
    if CONNECTED in output:
        return Trouble("the connection ended; the coordinator was away, or no longer admits this site", patience)
    return Trouble(f"the SuperNode ended with code {code}: {last}", min(patience, REFUSED_SECONDS))
