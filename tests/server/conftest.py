"""A federation of three phantom hospitals in this process, whose replies a test can tamper with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import distributed
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import RunContext, RunOutcome
from fedgraft.simulations.engine.grid import InProcessGrid
from fedgraft.simulations.federation.sites import lay_out

Tamper = Callable[[Message, Message], Message]


class Tampered:
    """Stands for all sites; a tampering gets the message and the true reply, and gives the reply that is sent.

    ``fresh`` opens a new workspace for every message, as a deployed site's new process does.
    """

    def __init__(self, sites: list[Path], tamper: dict[int, Tamper], fresh: bool) -> None:
        self._sites, self._tamper, self._fresh = sites, tamper, fresh
        self._app = client_app.build(client_app.MessageHandler(Workspace(), sites))

    def __call__(self, message: Message, context: Context) -> Message:
        app = client_app.build(client_app.MessageHandler(Workspace(), self._sites)) if self._fresh else self._app
        reply = app(message, context)
        index = int(str(context.node_config["partition-id"]))
        return self._tamper[index](message, reply) if index in self._tamper else reply


@dataclass(frozen=True)
class Result:
    outcome: RunOutcome
    ledger: Ledger
    folder: Path


@dataclass(frozen=True)
class Laid:
    """A federation of phantom hospitals that is laid out, and the context of a run over it."""

    context: RunContext
    folder: Path


@pytest.fixture
def lay(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Laid]:
    """``lay(plan, {1: tamper})``: all for a run of a plan with site number 1 sending what ``tamper`` makes of its
    replies.

    ``edit`` changes each site's folder before the run; ``laid_out`` is the plan by which they are written, if another.
    """
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(
        plan: Plan,
        tamper: dict[int, Tamper] | None = None,
        fresh: bool = False,
        out: str = "sites",
        registered: dict[int, str] | None = None,
        edit: Callable[[Path], None] = lambda folder: None,
        laid_out: Plan | None = None,
    ) -> Laid:
        federation = lay_out(laid_out or plan, tmp_path / out, os.environ)
        for site in federation.sites.values():
            edit(site.parent)
        sites = list(federation.sites.values())
        client: ClientApp = Tampered(sites, tamper or {}, fresh)  # type: ignore[assignment]
        grid = InProcessGrid(client, [{"partition-id": index} for index in range(len(sites))], {})
        model = build(plan, None)
        ledger = Ledger(tmp_path / out / "ledger.jsonl")
        initial = model.tensors(model.received)
        backbone = distributed(model)
        context = RunContext(grid, plan, backbone, initial, ledger, model.groups, registered=registered or {})
        return Laid(context, tmp_path / out)

    return go


@pytest.fixture
def federate(lay: Callable[..., Laid]) -> Callable[..., Result]:
    """Run what `lay` gives."""

    def go(plan: Plan, tamper: dict[int, Tamper] | None = None, **more: Any) -> Result:
        laid = lay(plan, tamper, **more)
        return Result(run(laid.context), laid.context.ledger, laid.folder)

    return go
