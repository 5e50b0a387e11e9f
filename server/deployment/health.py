"""Whether a coordinator answers."""

from __future__ import annotations

import http
import http.client
import ssl
from contextlib import closing

from fedgraft.server.deployment.folder import Folder


def connection(folder: Folder, port: int, seconds: float | None) -> http.client.HTTPSConnection:
    """To a port of this machine, by no proxy; whoever answers must show the coordinator's own certificate."""
    context = ssl.create_default_context(cafile=str(folder.authority))
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=seconds, context=context)


def is_healthy(folder: Folder, port: int) -> bool:
    """Whether ``GET /health`` on loopback answers with the coordinator's own certificate."""
    try:
        with closing(connection(folder, port, 5)) as asked:
            asked.request("GET", "/health")
            return asked.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
