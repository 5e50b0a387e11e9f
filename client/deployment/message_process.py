"""Answer one message of a run with the ClientApp that is installed at this site.

Flower's own ``flwr-clientapp`` unpacks the app bundle that the coordinator sent, puts its folder first on ``sys.path``
and runs the code in it; when something fails, it sends the exception's text back. A site must do neither. Here Flower's
runner exchanges the messages, with three of its functions replaced:

- installing the bundle: nothing is unpacked;
- loading the ClientApp: always `CLIENT_APP`, from this installation;
- sending the reply: an error's reason is replaced by a short code. The text goes to the site's own log.

`require_flower` checks before anything runs that this version of Flower still calls these functions.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import httpx
from flwr.app import Context, Error, Message

from fedgraft.client.deployment.origin import end_with_server
from fedgraft.common.errors import CLIENT_APP_RAISED_EXCEPTION, PREFIX, DeploymentError, reason_of, safe_reason
from fedgraft.common.runtime.flower import ask_soon
from fedgraft.common.runtime.parent_death import KERNEL_TELLS

CLIENT_APP = "fedgraft.client.app.client_app:app"


REPLACED = ("install_from_fab", "get_load_client_app_fn", "push_message")
"""The functions of Flower's runner that are replaced; its code must use each, or replacing it has no effect."""


def require_flower() -> Any:
    """Flower's runner module, after checking that it can be made safe.

    Raises:
        DeploymentError: this flwr is built differently; running it could execute shipped code.
    """
    try:
        runner = importlib.import_module("flwr.supernode.runtime.run_clientapp")
        used = set(runner.run_clientapp.__code__.co_names)
    except (ImportError, AttributeError) as error:
        raise DeploymentError(_incompatible(str(error))) from error
    missing = [name for name in REPLACED if name not in used or not hasattr(runner, name)]
    if missing:
        raise DeploymentError(_incompatible(f"its runner does not use {', '.join(missing)}"))
    return runner


def make_safe(runner: Any) -> None:
    """Replace the functions of Flower's runner that would trust the coordinator, in this process only."""
    push = runner.push_message

    def send(client: Any, message: Any, context: Any) -> None:
        push(client, without_text(message), context)

    runner.install_from_fab = lambda *_, **__: Path()
    runner.get_load_client_app_fn = lambda *_, **__: lambda *_: run_installed_app
    runner.push_message = send


def without_text(reply: Message) -> Message:
    """The reply itself; an error's reason becomes a short code unless it is one already (changed in place)."""
    if reply.has_error():
        reply.error = Error(code=reply.error.code, reason=safe_reason(reply.error.reason))
    return reply


def answer(address: str, token: str) -> None:
    """Pull the message that ``token`` stands for and answer it; the target of a child process."""
    end_with_server()
    runner = require_flower()
    make_safe(runner)
    ask_soon()
    _reseed()
    runner.run_clientapp(
        runtime_api_address=address,
        token=token,
        insecure=True,  # loopback
        parent_pid=None if KERNEL_TELLS else os.getppid(),
        runtime_dependency_install=False,
    )


def refuse(address: str, token: str) -> None:
    """Refuse a task that is not for a ClientApp, so that the SuperNode answers with an error and stays usable.

    A coordinator could submit an "AgentApp", for which Flower's own SuperExec would run a program that unpacks the
    bundle.
    """
    end_with_server()
    runner = require_flower()
    with _connected(runner, address, token) as client:
        client.PullTaskInput(runner.PullTaskInputRequest())
        client.PullMessages(runner.PullAppMessagesRequest())
        runner.push_task_output(client, None, runner.SubStatus.FAILED, "task-refused")


def fail(address: str, token: str, code: str) -> None:
    """Say that the process of a task ended without an answer; the SuperNode answers with the code.

    Nothing happens if the task was answered before, or if the SuperNode is gone.
    """
    runner = require_flower()
    request = runner.PushTaskOutputRequest(context=None, sub_status=runner.SubStatus.FAILED, details=PREFIX + code)
    with _connected(runner, address, token) as client, suppress(httpx.HTTPError):
        client.PushTaskOutput(request)


@contextmanager
def kept_claimed(address: str, token: str) -> Iterator[None]:
    """Within the block the SuperNode knows that somebody works on a task, though its process is not there yet."""
    runner = require_flower()
    with _connected(runner, address, token) as client:
        beat = runner.HeartbeatSender(_heartbeat_of(client))
        beat.start()
        try:
            yield
        finally:
            beat.stop()


def _heartbeat_of(client: Any) -> Callable[[], bool]:
    """A heartbeat that never fails: whether the task is still there, its own process will find out."""
    request = importlib.import_module("flwr.proto.runtime_pb2").SendTaskHeartbeatRequest()

    def send() -> bool:
        with suppress(httpx.HTTPError):
            client.SendTaskHeartbeat(request)
        return True

    return send


@contextmanager
def _connected(runner: Any, address: str, token: str) -> Iterator[Any]:
    """A client of the SuperNode on this machine, as whoever works on a task."""
    interceptor = importlib.import_module("flwr.supercore.interceptors").RuntimeTokenHttpInterceptor(token)
    client = runner.RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=True,
        root_certificates=None,
        interceptors=[interceptor],
    )
    try:
        yield client
    finally:
        client.close()


def run_installed_app(message: Message, context: Context) -> Message:
    """Call the installed ClientApp; an exception becomes an error reply with a short code."""
    try:
        module, _, name = CLIENT_APP.partition(":")
        app = getattr(importlib.import_module(module), name)
        parcel = importlib.import_module("fedgraft.common.parcel")  # which has torch, as the app has
        content = message.content
        message.content = parcel.unpack(content)
        reply = cast(Message, app(message=message, context=context))
        if parcel.is_packed(content) and reply.has_content():
            reply.content = parcel.Packing().pack(reply.content)
        return reply
    except Exception as error:
        _log_failure(error)
        return Message(Error(CLIENT_APP_RAISED_EXCEPTION, reason_of(error)), reply_to=message)


def _log_failure(error: Exception) -> None:
    """Log the traceback without the exception's text, which can name a patient; an ImportError's names a module."""
    with suppress(OSError):  # the log's disk may be full
        traceback.print_tb(error.__traceback__)
        print(f"{type(error).__name__}{f': {error}' if isinstance(error, ImportError) else ''}", file=sys.stderr)


def _reseed() -> None:
    """Seed the global generators from the system: all processes are forked from one parent and share its states."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


def _incompatible(what: str) -> str:
    return (
        f"flwr {version('flwr')} can't be run safely at a site: {what}; "
        "install the flwr version that this fedgraft asks for (`pip install fedgraft`)"
    )
