"""Runs of phantom hospitals that are interrupted in a round, and go on in what is as good as another process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import Tensor

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common import tensors
from fedgraft.common.plan.plan import Plan
from fedgraft.server import app
from fedgraft.server.checkpoints.course import Keeping
from fedgraft.server.rounds.state import Round, RunOutcome
from fedgraft.simulations.engine.grid import InProcessGrid
from fedgraft.simulations.federation.sites import lay_out


class InterruptionError(BaseException):
    """Stands for whatever kills a process: nothing is written any more."""


@dataclass(frozen=True)
class Runs:
    """Runs and resumes plans in one folder each."""

    folder: Path

    def begin(
        self,
        plan: Plan,
        name: str,
        stop: int | None = None,
        resume: bool = False,
        run: int = 1,
        by: type[BaseException] = InterruptionError,
        remembers: bool = False,
    ) -> RunOutcome:
        """``stop``: the round that is aggregated when the run is interrupted, ``by`` what. ``run``: Flower's id.
        ``remembers``: whether the sites keep answers and what was asked, as deployed ones do."""
        out = self.folder / name
        sites = list(lay_out(plan, out / "sites", os.environ, keep_state=resume).sites.values())
        answering = client_app.build(client_app.MessageHandler(Workspace(), sites, keep_answers=remembers))
        grid = InProcessGrid(answering, [{"site-file": str(path)} for path in sites], {})

        def progress(round_: Round) -> None:
            if round_.number == stop:
                raise by(f"round {stop}")

        return app.serve(grid, plan, out, None, progress, draw=False, keeping=Keeping(run, resume, durable=False))

    def local(self, name: str) -> dict[str, dict[str, Tensor]]:
        """What each site keeps for itself, by file."""
        files = sorted((self.folder / name).glob("sites/*/state/local/*.safetensors"))
        return {"/".join((path.parts[-4], path.name)): tensors.load(path) for path in files}


@pytest.fixture
def runs(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    return Runs(tmp_path)


@pytest.fixture
def interruption() -> type[InterruptionError]:
    return InterruptionError


Composer = Callable[..., Plan]
