"""A coordinator whose hospitals come and go, and answer when they like, by a clock that tests wind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.plan.plan import Plan
from fedgraft.server import app
from fedgraft.server.checkpoints.course import Keeping
from fedgraft.server.deployment.launch import leave_for_server_app
from fedgraft.server.rounds.state import Round, RunOutcome
from fedgraft.simulations.engine.grid import RUN_ID, InProcessGrid
from fedgraft.simulations.federation.sites import lay_out

from ..clock import Wound

NAMES = ("alder", "birch", "cedar")


class Town(InProcessGrid):
    """Nodes by id, of which some are connected; a node's next answer can take a while.

    Attributes:
        delays: seconds of a node's answer to ``train`` or a query for a gradient, used once each.
        failing: nodes that are connected, and of which an error comes instead of an answer.
    """

    def __init__(self, client: ClientApp, sites: Iterable[Path], wound: Wound) -> None:
        super().__init__(client, [{"site-file": str(site)} for site in sites], {})
        self.wound, self.connected, self.delays = wound, set(self._contexts), dict[int, list[float]]()
        self._due: dict[str, float] = {}
        self._done: dict[str, Message] = {}  # of a node that answers slowly: it computes before what it is asked next
        self.failing: set[int] = set()

    def get_node_ids(self) -> list[int]:
        return list(self.connected)

    def _reached(self, message: Message) -> bool:
        return message.metadata.dst_node_id not in self.failing

    def moves(self, node: int, to: int) -> None:
        """A hospital's node gets another id."""
        before = self._contexts.pop(node)
        self._contexts[to] = Context(RUN_ID, to, before.node_config, RecordDict(), before.run_config)
        self.connected = self.connected - {node} | {to}

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        sent = list(messages)
        identifiers = super().push_messages(sent)
        for key, message in zip(identifiers, sent, strict=True):
            waits = self.delays.get(message.metadata.dst_node_id)
            asks = message.metadata.message_type in ("train", "query.gradient")
            takes = waits.pop(0) if waits and asks else 0.0
            self._due[key] = self.wound.seconds + takes
            if takes:
                (self._done[key],) = super().pull_messages([key])
        return identifiers

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        due = [key for key in message_ids if self._due[key] <= self.wound.seconds]
        quick = [key for key in due if key not in self._done]
        return [*(self._done.pop(key) for key in due if key in self._done), *super().pull_messages(quick)]


class Federation:
    """One run of a plan over three phantom hospitals, as a deployment would run it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wound = folder, Wound()
        self.out, self.sites_file = folder / "run", folder / "sites.json"
        self.registered = {1000 + place: name for place, name in enumerate(NAMES)}
        self.after: dict[int, Callable[[], None]] = {}

    def lay(self, plan: Plan, asks: bool) -> None:
        sites = lay_out(plan, self.folder / "sites", os.environ).sites.values()
        client = client_app.build(client_app.MessageHandler(Workspace(asks=asks), list(sites), keep_answers=True))
        self.town = Town(client, sites, self.wound)
        self.out.mkdir()
        self.register(self.registered)
        names = {str(node): name for node, name in self.registered.items()}
        leave_for_server_app(self.out, plan, names, self.sites_file)

    def register(self, registered: dict[int, str]) -> None:
        sites = [{"name": name, "node_id": str(node), "fingerprint": ""} for node, name in registered.items()]
        self.sites_file.write_text(json.dumps(sites), encoding="utf-8")

    def run(self, plan: Plan, patient: bool = True) -> RunOutcome:
        """``after`` says what happens once a round is aggregated."""

        def progress(round_: Round) -> None:
            self.after.get(round_.number, lambda: None)()

        clock = self.wound.clock if patient else None
        return app.serve(
            self.town, plan, self.out, None, progress, draw=False, keeping=Keeping(1, False, False), clock=clock
        )

    def ledger(self, what: str = "train") -> list[dict[str, Any]]:
        lines = (self.out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line["what"] == what]

    def rounds(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()]

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture
def federations(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Federation]:
    """``federations(plan, "name")``: a new one, laid out; ``asks``: whether people there are."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def begin(plan: Plan, name: str = "one", asks: bool = False) -> Federation:
        found = Federation(tmp_path / name)
        found.folder.mkdir()
        found.lay(plan, asks)
        return found

    return begin
