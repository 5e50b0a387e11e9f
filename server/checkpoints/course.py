"""The course of a run on disk: begun anew, or opened where it was interrupted, and kept from round to round."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flwr.app import Message

from fedgraft.common.errors import FedGraftError, first_line
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.files import replacing, whole_lines
from fedgraft.common.wire.run_name import name_run
from fedgraft.server.checkpoints.checkpoint import Checkpoint
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.exchange.deadlines import NOTHING, Durations
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.rounds.state import Resumed, Rounds, RunState

LEDGER, ROUNDS = "ledger.jsonl", "rounds.jsonl"


@dataclass(frozen=True)
class Keeping:
    """How a run is kept.

    Attributes:
        run: Flower's id of this run.
        resume: go on where the folder's run was interrupted.
        durable: wait after each round until the checkpoint is on the disk.
        extend: so many rounds more than the plan says.
        called: names of sites by node id, in a simulation, where nobody is registered.
    """

    run: int = 1
    resume: bool = False
    durable: bool = True
    extend: int = 0
    called: Mapping[int, str] = field(default_factory=dict)


BEGINS = Keeping()


@dataclass(frozen=True)
class Course:
    """A run in its folder.

    Attributes:
        asked: digest of the plan as it was submitted.
        found: the checkpoint at which the run goes on; ``None`` if it begins.
        began: `time.monotonic` when this process began, less the seconds that the run had taken before.
    """

    keeping: Keeping
    asked: str
    checkpoints: Checkpoints
    ledger: Ledger
    found: Checkpoint | None
    began: float = field(default_factory=time.monotonic)

    @staticmethod
    def open(out: Path, plan: Plan, keeping: Keeping, registered: Mapping[int, str]) -> Course:
        """Begin a run in a folder, or go on with the one that is there.

        A run that was interrupted before its first checkpoint begins anew.

        Args:
            registered: names of sites by node id, for the ledger.

        Raises:
            CheckpointError: there is no whole checkpoint, or it is of another plan.
        """
        checkpoints = Checkpoints(out, keeping.durable)
        if not (keeping.resume and checkpoints.numbers()):
            checkpoints.begin()
            ledger = Ledger(out / LEDGER, registered, called=keeping.called)
            return Course(keeping, plan.digest, checkpoints, ledger, None)
        found = checkpoints.read()
        found.require(plan, out)
        found = found.longer(keeping.extend) if keeping.extend else found
        checkpoints.go_on(found)
        _cut(out / ROUNDS, found.state.number)
        ledger = Ledger(out / LEDGER, registered, found.entries, called=keeping.called)
        return Course(keeping, found.asked, checkpoints, ledger, found, time.monotonic() - found.seconds)

    @property
    def seconds(self) -> float:
        """That the run has taken, without the time between processes."""
        return time.monotonic() - self.began

    @property
    def run(self) -> int:
        """By which the sites keep what is theirs."""
        return self.keeping.run if self.found is None else self.found.run

    @property
    def extended(self) -> tuple[int, ...]:
        """The rounds of the plan before each extension."""
        return () if self.found is None else self.found.extended

    @property
    def resumed(self) -> Resumed | None:
        return None if self.found is None else Resumed(self.found.state, self.found.strategy)

    def going_on(self, asked: Plan) -> Plan:
        """The plan with the rounds by which the run was extended."""
        return self.found.plan if self.found is not None and self.extended else asked

    def model(self, asked: Plan) -> tuple[Plan, Model]:
        """The plan of the checkpoint, with the statistics of tables in it, and its model as built.

        Args:
            asked: the plan as it was submitted now, whose ``patience`` may be another.
        """
        assert self.found is not None
        plan = replace(self.found.plan, patience=asked.patience)
        return plan, build(plan, None, plan.engine.trusted)

    def name(self, messages: Sequence[Message]) -> None:
        """Say in messages which run goes on, if one does."""
        if self.found is not None:
            name_run(messages, self.run, self.found.continues)

    def lines(self) -> list[dict[str, Any]]:
        """The lines of ``rounds.jsonl``, which is made if the run begins."""
        path = self.checkpoints.out / ROUNDS
        if self.found is None:
            path.write_text("", encoding="utf-8")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    @property
    def durations(self) -> Durations:
        """How long answers took before the run was interrupted."""
        return NOTHING if self.found is None else self.found.durations

    def keeps(self, plan: Plan, durations: Callable[[], Durations]) -> Callable[[Rounds, RunState], None]:
        """What writes a checkpoint.

        Args:
            plan: the plan with all numbers in it.
            durations: tells how long answers took of late.
        """

        def reached(rounds: Rounds, state: RunState) -> None:
            entries = len(self.ledger.entries)
            found = Checkpoint(plan, state, rounds.kept(), entries, self.run, self.seconds, self.asked)
            found = replace(found, durations=durations())
            if self.found is not None:
                found = replace(found, continues=self.found.continues, extended=self.found.extended)
            self.checkpoints.write(found)

        return reached


def reason_for(error: BaseException) -> str:
    """Why a run ended, in words."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    return first_line(error) if isinstance(error, FedGraftError) else f"{type(error).__name__}: {first_line(error)}"


def _cut(path: Path, rounds: int) -> None:
    """Leave only the first lines of ``rounds.jsonl``; those after them, and one that was cut off, are written again."""
    lines = whole_lines(path)[:rounds]
    with replacing(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
