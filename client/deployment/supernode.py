"""Flower's SuperNode, made to answer every message that it took, and to come back at once.

Flower's own keeps a message for ever whose process was ended by a signal, or whose answer arrived in part: it neither
answers nor takes another. It is refused for a minute after it was killed, because the coordinator still counts it as
online, and it waits up to 20 s (or half a minute, for a connection that nobody answers) before it tries again. Here
some of its functions are replaced, in this process only:

- taking a message writes it down (`fedgraft.client.deployment.open_message`), and so does sending its answer
  (`kept_answer`); one that is found there when nothing is being computed is answered, with that or with an error;
- a task that failed without an answer is answered with the code that its executor gave, and so is the present one when
  the supervisor says that the executor is gone;
- an answer is sent when all of it is there;
- a site that is refused because its last session was not closed goes on with it, with its own key;
- a loop that was ended by an error ends the process;
- pieces of a message are kept until all are there, so that one that broke off is not sent again from its beginning;
- calls that fail are tried again every two seconds, and the supervisor is told;
- the supervisor gets signs of life, so that a SuperNode that is there and does nothing is noticed.

Run as ``python -m fedgraft.client.deployment.supernode --state DIR -- ...`` by `fedgraft.client.deployment.supervisor`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.client.deployment.answering import Answering
from fedgraft.client.deployment.kept_answer import KeptAnswer
from fedgraft.client.deployment.line.arriving import keep_pieces
from fedgraft.client.deployment.line.fleet import make_quick, make_returning
from fedgraft.client.deployment.open_message import OpenMessage
from fedgraft.client.deployment.signals import EXECUTOR_ENDED, UNUSABLE, Beat
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.flower import ask_soon

_LOOP = "flwr.supernode.start_client_internal"
_STATE = "flwr.supernode.nodestate.in_memory_nodestate"
_NEEDED = {
    _LOOP: ("_pull_and_store_message", "_push_messages", "_insert_message", "iterate_object_tree", "pull_objects"),
    _STATE: ("InMemoryNodeState", "AGENT_APP_FAILED_ERROR", "SubStatus", "TaskType"),
    "flwr.supernode.fleet_http_client": ("FleetHttpClient",),
    "flwr.supercore.retry.http_retry": ("MAX_RETRY_DELAY",),
    "flwr.supercore.heartbeat": ("exponential",),
    "flwr.supernode.cli.flower_supernode": ("flower_supernode",),
}


@dataclass(frozen=True)
class Parts:
    """The modules of Flower's SuperNode whose functions are replaced."""

    loop: Any
    state: Any
    client: Any
    retry: Any
    heartbeat: Any
    program: Any


def require_supernode() -> Parts:
    """Flower's modules, after checking that they have what is replaced.

    Raises:
        DeploymentError: this flwr is built differently; a site could be silent.
    """
    found = []
    for name, needed in _NEEDED.items():
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise DeploymentError(f"this flwr has no SuperNode that answers every message: {error}") from error
        missing = [one for one in needed if not hasattr(module, one)]
        if missing:
            raise DeploymentError(
                f"this flwr's SuperNode can't be made to answer every message: {name} has no {', '.join(missing)}; "
                "install the flwr that this fedgraft asks for (`pip install fedgraft`)"
            )
        found.append(module)
    return Parts(*found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run Flower's SuperNode until a signal stops it."""
    parser = argparse.ArgumentParser(description="Flower's SuperNode, which answers every message that it took")
    parser.add_argument("--state", type=Path, required=True, help="the site's state folder")
    parser.add_argument("rest", nargs="+", help="after --, the arguments of flower-supernode")
    given = parser.parse_args(argv)
    try:
        parts = require_supernode()
    except DeploymentError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    ask_soon()
    kept = OpenMessage(given.state / "open-message")
    kept.prepare()
    beat = Beat()
    answering = Answering(parts.loop, parts.state, kept, KeptAnswer(given.state / "answer"), beat=beat)
    answering.replace()
    keep_pieces(parts.loop, given.state / "arriving")
    signal.signal(EXECUTOR_ENDED, lambda *_: answering.nobody_works.set())
    make_quick(parts.client.FleetHttpClient, parts.retry, parts.heartbeat, beat)
    make_returning(parts.client.FleetHttpClient, given.state / "node-id")
    sys.argv = ["flower-supernode", *given.rest]
    parts.program.flower_supernode()  # returns when its loop was ended by an error, which it has logged
    sys.stdout.flush()
    os._exit(1)  # its HTTP server is a thread that would keep this process alive, and the site silent


if __name__ == "__main__":
    raise SystemExit(main())
