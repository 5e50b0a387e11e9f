"""What an actor does: answer the messages to the sites that are placed with it, one after another, as a site does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flwr.app import Error, Message, RecordDict

from fedgraft.client.app.client_app import MessageHandler, build
from fedgraft.client.app.workspace import Workspace
from fedgraft.simulations.engine.grid import context_of, identify
from fedgraft.simulations.engine.trouble import sentence
from fedgraft.simulations.federation.sites import cache_folder


class Fetch(Protocol):
    """Gets what the driver has put into Ray's store."""

    def __call__(self, reference: Any) -> RecordDict: ...


@dataclass(frozen=True)
class Answered:
    """One site's answer.

    Attributes:
        content: of the reply; or the error instead of it.
        trouble: a sentence for each error at the site, which stays with whoever simulates.
        decoded, computed: cases since the actor's last answer.
    """

    content: RecordDict | None
    error: tuple[int, str] | None = None
    trouble: tuple[str, ...] = ()
    decoded: int = 0
    computed: int = 0


class Worker:
    """One process that computes for several sites, with the store of its own node.

    Args:
        fetch: gets a message's content.
        expected: cases of all sites, as `fedgraft.client.app.workspace.Workspace` asks for them.
    """

    def __init__(self, fetch: Fetch, expected: int) -> None:
        identify()
        self._fetch, self._fetched = fetch, dict[str, RecordDict]()
        self._trouble: list[str] = []
        self._done = {"decoded": 0, "computed": 0}
        workspace = Workspace(
            lambda cases: self._count("computed", cases),
            lambda cases: self._count("decoded", cases),
            lasting=False,
            expected=expected,
            shared_store=cache_folder(os.environ) / "store",
        )
        self._app = build(MessageHandler(workspace, witness=self._note))

    def ready(self) -> int:
        """The id of the process; once this is answered, it has loaded all that it needs."""
        return os.getpid()

    def answer(self, site_file: str, node: int, kind: str, boxed: list[Any]) -> Answered:
        """Answer one message.

        Args:
            node: the site's node id.
            kind: of the message.
            boxed: a reference to the content; in a list, so that Ray leaves it to us to get it.
        """
        message = Message(self._content(boxed[0]), node, kind)
        reply = self._app(message, context_of(node, {"site-file": site_file}, {}))
        trouble, done = tuple(self._trouble), dict(self._done)
        self._trouble.clear()
        self._done = dict.fromkeys(self._done, 0)
        if reply.has_error():
            error: Error = reply.error
            return Answered(None, (error.code, error.reason or ""), trouble, **done)
        return Answered(reply.content, None, trouble, **done)

    def _content(self, reference: Any) -> RecordDict:
        """What came last is kept: a round's content is that of all sites."""
        key = reference.hex()
        if key not in self._fetched:
            self._fetched = {key: self._fetch(reference)}
        return self._fetched[key]

    def _count(self, what: str, cases: int) -> None:
        self._done[what] += cases

    def _note(self, site_file: Path, error: BaseException) -> None:
        self._trouble.append(sentence(site_file, error))
