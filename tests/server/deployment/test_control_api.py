"""The stream of a run's log, and an answer, that are cut within a frame: a real TLS server that breaks off."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from flwr.proto import control_pb2

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment import control_api
from fedgraft.server.deployment.folder import Folder, Settings, create


@contextmanager
def superlink(root: Path, content: bytes) -> Iterator[Folder]:
    """A coordinator's folder whose internal port answers every question with ``content``, and then ends."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answer)
    folder = create(root, Settings(("127.0.0.1",), internal_port=server.server_port))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder.certificate, folder.certificate_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield folder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def framed(*texts: str) -> bytes:
    payloads = [control_pb2.StreamLogsResponse(log_output=text).SerializeToString() for text in texts]
    return b"".join(len(one).to_bytes(control_api.LENGTH_BYTES, "big") + one for one in payloads)


@pytest.mark.parametrize(
    ("cut", "lines"),
    [
        (0, ["one\n", "two\n", "three"]),  # whole: the last line too, though nothing ends it
        (3, ["one\n"]),  # within the payload
        (len(framed("o\nthree")) - 2, ["one\n"]),  # within the length
    ],
)
def test_a_log_that_is_cut_gives_its_whole_lines_and_ends(tmp_path: Path, cut: int, lines: list[str]) -> None:
    whole = framed("one\ntw", "o\nthree")
    with superlink(tmp_path / "c", whole[: len(whole) - cut]) as folder:
        assert list(control_api.LogStream(folder, "7")) == lines


def test_an_answer_that_is_cut_is_an_error_in_words(tmp_path: Path) -> None:
    content = control_pb2.StreamLogsResponse(log_output="a line of the log").SerializeToString()
    with (
        superlink(tmp_path / "c", content[:-4]) as folder,
        pytest.raises(DeploymentError, match=r"the SuperLink's answer to StreamLogs can't be read: it was cut"),
    ):
        control_api.ask(folder, "StreamLogs", run_id=7)
