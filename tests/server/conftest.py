"""A federation of three phantom hospitals in this process, whose replies a test can tamper with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import RunContext, RunOutcome
from fedgraft.simulations.federation.sites import lay_out

from .in_process import Tamper, Tampered, context_over


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
        answering = Tampered(list(federation.sites.values()), tamper, fresh)
        ledger = Ledger(tmp_path / out / "ledger.jsonl")
        context = context_over(plan, answering, ledger, registered=registered or {})
        return Laid(context, tmp_path / out)

    return go


@pytest.fixture
def federate(lay: Callable[..., Laid]) -> Callable[..., Result]:
    """Run what `lay` gives."""

    def go(plan: Plan, tamper: dict[int, Tamper] | None = None, **more: Any) -> Result:
        laid = lay(plan, tamper, **more)
        return Result(run(laid.context), laid.context.ledger, laid.folder)

    return go
