"""Join a Ray cluster, or start Ray on this machine for as long as a run lasts."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any

from fedgraft.client.site.machine import cores
from fedgraft.common.errors import ClusterError, first_line

_SECONDS = 10.0
"""For an address to let us connect."""
_SETTINGS = 4
"""The kind of the frame with which HTTP/2 begins (RFC 9113)."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


def require_ray() -> None:
    """
    Raises:
        ClusterError: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise ClusterError("engine=ray needs Ray: pip install 'fedgraft[ray]', or use engine=inprocess")


@contextmanager
def joined(address: str | None) -> Iterator[bool]:
    """Be part of a Ray cluster; gives whether it is our own, of this machine only.

    Args:
        address: ``auto`` for the cluster that this machine is a node of, its ``host:port``, or ``None`` for a Ray of
            our own on this machine, which ends with the block. Where this process has joined Ray already (a notebook),
            ``None`` means that.

    Raises:
        ClusterError: there is no such cluster, or it does not let us in.
    """
    require_ray()
    import ray

    if ray.is_initialized():
        if address is not None:
            raise ClusterError(
                f"engine.address={address}: this process has joined Ray already; leave engine.address out to use that, "
                "or call ray.shutdown() first"
            )
        yield False
        return
    if address is not None and address != "auto":
        _require_listening(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    own: dict[str, Any] = {"num_cpus": cores(), "include_dashboard": False} if address is None else {}
    try:
        ray.init(address or "local", logging_level=logging.ERROR, configure_logging=True, log_to_driver=False, **own)
    except Exception as error:  # Ray raises a bare one if it could not start in time
        ray.shutdown()
        raise ClusterError(not_joined(address, error)) from error
    try:
        yield address is None
    finally:
        ray.shutdown()


def not_joined(address: str | None, error: Exception) -> str:
    if address is None:
        return f"engine=ray could not start Ray on this machine ({first_line(error)}); or use engine=inprocess"
    return (
        f"engine.address={address}: the Ray cluster can't be joined ({first_line(error)}). This machine must be one of "
        "its nodes (`ray status` here), with the cluster's version of Ray and its token; docs/scale.md"
    )


def _require_listening(address: str) -> None:
    """
    Raises:
        ClusterError: it is no ``host:port``, or nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ClusterError(
            f"engine.address={address}: auto, or host:port of the cluster's head (`ray start --head` says it, mostly "
            "with port 6379); ray:// is for other programs"
        )
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), _SECONDS)) as line:
            heard = _SETTINGS if os.environ.get("RAY_USE_TLS") == "1" else _first_word(line)
    except OSError as error:
        raise ClusterError(
            f"engine.address={address}: nothing answers there ({error.strerror or error}); is the cluster's head "
            "running (`ray status` there), and may this machine reach it?"
        ) from error
    if heard != _SETTINGS:
        raise ClusterError(
            f"engine.address={address}: what listens there is no head of a Ray cluster; `ray start --head` says its "
            "port, mostly 6379"
        )


def _first_word(line: socket.socket) -> int | None:
    """The kind of the first frame that is answered to a greeting in HTTP/2, which Ray speaks; Ray itself would try for
    minutes to talk to a program that does not."""
    line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0)))
    heard = b""
    while len(heard) < 4 and (more := line.recv(64)):
        heard += more
    return heard[3] if len(heard) > 3 else None
