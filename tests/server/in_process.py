"""A run over site files in this process, whose replies a test can tamper with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import distributed
from fedgraft.server.rounds.state import RunContext
from fedgraft.server.secure.hearing import SecureHearing
from fedgraft.simulations.engine.grid import InProcessGrid

Tamper = Callable[[Message, Message], Message]


class Tampered:
    """Stands for all sites; a tampering gets the message and the true reply, and gives the reply that is sent.

    ``fresh`` opens a new workspace for every message, as a deployed site's new process does. ``replies`` are the true
    ones so far.
    """

    def __init__(self, sites: Sequence[Path], tamper: Mapping[int, Tamper] | None = None, fresh: bool = False) -> None:
        self.sites, self._tamper, self._fresh = list(sites), tamper or {}, fresh
        self.workspace, self.replies = Workspace(), list[Message]()

    def __call__(self, message: Message, context: Context) -> Message:
        workspace = Workspace() if self._fresh else self.workspace
        reply = client_app.build(client_app.MessageHandler(workspace, self.sites))(message, context)
        self.replies.append(reply)
        index = int(str(context.node_config["partition-id"]))
        return self._tamper[index](message, reply) if index in self._tamper else reply


def context_over(plan: Plan, answering: Tampered, ledger: Ledger | None = None, **more: Any) -> RunContext:
    """All for a run of a plan over these sites."""
    client: ClientApp = answering  # type: ignore[assignment]
    grid = InProcessGrid(client, [{"partition-id": index} for index in range(len(answering.sites))], {})
    model = build(plan, None)
    initial, backbone = model.tensors(model.received), distributed(model)
    delivery, ledger = Delivery(grid), ledger or Ledger(None)
    if plan.aggregation.secure:
        more["sums"] = SecureHearing(delivery, plan, ledger, {})
    return RunContext(delivery, plan, backbone, initial, ledger, model.groups, **more)
