"""Ask the coordinator's own SuperLink by its Control API: protobuf messages over HTTPS, on the loopback address.

The ``flwr`` command asks by the same API, with a process of a second and 100 MB for each question; a test compares what
both are told. A submission goes by the command (`orders.submit`), which also packs the bundle.
"""

from __future__ import annotations

import http
import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.health import connection

CALL_SECONDS = 120.0
PROTOBUF, FRAMES = "application/protobuf", "application/flower-protobuf-stream"
LENGTH_BYTES = 4
"""Before each message of an answer that is a stream: its length, big-endian."""
LONGEST_REASON = 65536


def ask(folder: Folder, method: str, **fields: Any) -> Any:
    """The answer to one question.

    Args:
        folder: the coordinator's.
        method: as Flower's ``control.proto`` names it, such as ``ListRuns``.
        fields: of its request.

    Returns:
        The message ``METHODResponse`` of Flower.

    Raises:
        DeploymentError: the SuperLink does not answer, or refuses (the message quotes its own), or its answer is cut.
    """
    try:
        with closing(_connection(folder, CALL_SECONDS)) as open_one:
            return _response(method, _sent(open_one, method, fields, PROTOBUF).read())
    except (OSError, http.client.HTTPException) as error:
        raise DeploymentError(f"the SuperLink did not answer {method}: {type(error).__name__}") from error


class LogStream:
    """The lines of a run's log, from the first on, as they are written.

    Iterating ends with the run, with the SuperLink, or with `close`, from another thread. A stream that is cut gives
    its whole lines only, so that another one, which begins anew, can go on behind them.
    """

    def __init__(self, folder: Folder, run_id: str) -> None:
        self._folder = folder
        self._run_id = int(run_id)
        self._connection: http.client.HTTPSConnection | None = None
        self._closed = False

    def __iter__(self) -> Iterator[str]:
        kept = ""
        with suppress(OSError, http.client.HTTPException, ValueError, DeploymentError):
            for text in self._texts():
                *lines, kept = (kept + text).split("\n")
                yield from (line + "\n" for line in lines)
            if kept and not self._closed:
                yield kept

    def _texts(self) -> Iterator[str]:
        fields = {"run_id": self._run_id, "after_timestamp": 0.0}
        with closing(_connection(self._folder, None)) as open_one:
            self._connection = open_one
            if self._closed:
                return
            answer = _sent(open_one, "StreamLogs", fields, FRAMES)
            while head := answer.read(LENGTH_BYTES):
                size = int.from_bytes(head, "big")
                payload = answer.read(size)
                if len(head) < LENGTH_BYTES or len(payload) < size:
                    raise DeploymentError("the SuperLink's log ended within a frame")
                yield _response("StreamLogs", payload).log_output

    def close(self) -> None:
        """End the stream; whoever waits for a line gets none."""
        self._closed = True
        sock = None if self._connection is None else self._connection.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _connection(folder: Folder, seconds: float | None) -> http.client.HTTPSConnection:
    return connection(folder, folder.settings().internal_port, seconds)


def _sent(
    open_one: http.client.HTTPSConnection, method: str, fields: Mapping[str, Any], kind: str
) -> http.client.HTTPResponse:
    """The answer to a question, of which nothing is read yet."""
    from flwr.proto import control_pb2
    from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

    request = getattr(control_pb2, f"{method}Request")(**fields)
    path = "/v1/control/" + re.sub(r"(?<=.)(?=[A-Z])", "-", method).lower()
    versions = dict(RuntimeVersionMetadata.from_local_component("fedgraft coordinator").as_metadata())
    open_one.request("POST", path, request.SerializeToString(), {"content-type": PROTOBUF, "accept": kind, **versions})
    answer = open_one.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise DeploymentError(f"the SuperLink refused {method}: {_words(answer)}")
    return answer


def _response(method: str, payload: bytes) -> Any:
    """
    Raises:
        DeploymentError: it is no such answer: it was cut on the way, or is another version's.
    """
    from flwr.proto import control_pb2
    from google.protobuf.message import DecodeError

    response = getattr(control_pb2, f"{method}Response")()
    try:
        response.ParseFromString(payload)
    except DecodeError:
        raise DeploymentError(f"the SuperLink's answer to {method} can't be read: it was cut on the way") from None
    return response


def _words(answer: http.client.HTTPResponse) -> str:
    """Why a question was refused, in Flower's words."""
    text = answer.read(LONGEST_REASON).decode(errors="replace")
    try:
        told = json.loads(text)
    except ValueError:
        told = {}
    words = [str(told[key]) for key in ("detail", "extra") if isinstance(told, dict) and told.get(key)]
    return " ".join(words) or f"HTTP {answer.status}"
