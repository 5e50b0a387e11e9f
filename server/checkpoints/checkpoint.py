"""A checkpoint: the state of a run after a round, as named tensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flwr.app import RecordDict
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import CheckpointError
from fedgraft.common.plan.plan import Plan, from_json
from fedgraft.common.records import config_of
from fedgraft.common.wire.kept import config_from, values_of
from fedgraft.common.wire.messages import SITE
from fedgraft.common.wire.offer import pack_offer, unpack_offer
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.bounds.memory import memory_from
from fedgraft.server.checkpoints.finished_rounds import round_from, round_values
from fedgraft.server.exchange.deadlines import Durations
from fedgraft.server.rounds.final_model import FinalModel
from fedgraft.server.rounds.selection import Candidate
from fedgraft.server.rounds.state import Round, RunState

SHARED, BEST, INITIAL, STRATEGY = "shared/", "best/", "initial/", "strategy/"


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on at the next round.

    Attributes:
        plan: with all numbers in it (statistics of tables).
        state: after the last aggregated round; its roster is that of the time.
        strategy: the state of the plan's strategy.
        entries: lines of the ledger at that time.
        run: the number by which the sites keep what is theirs in this run: Flower's id of the run that began it.
        seconds: that the run had taken.
        asked: digest of the plan as it was submitted.
        continues: digest of the plan before it was extended; ``""`` if it was not.
        extended: its rounds before each extension.
        durations: how long answers took of late, for ``patience.deadline=auto``.
    """

    plan: Plan
    state: RunState
    strategy: Kept
    entries: int
    run: int
    seconds: float
    asked: str
    continues: str = ""
    extended: tuple[int, ...] = ()
    durations: Durations = field(default_factory=dict)

    def require(self, plan: Plan, folder: Path) -> None:
        """Check that it is of a plan, as that was submitted or as it ran (with statistics of tables, or extended).

        Raises:
            CheckpointError: it is of another.
        """
        if plan.digest not in (self.asked, self.plan.digest):
            raise CheckpointError(
                f"{folder} holds a run of another plan ({self.asked[:12]}, and not {plan.digest[:12]}); resume it with "
                "its own plan.yaml, or choose another folder"
            )

    def longer(self, rounds: int) -> Checkpoint:
        """The same, of a plan with so many rounds more."""
        plan = replace(self.plan, rounds=self.plan.rounds + rounds)
        state = replace(self.state, final=replace(self.state.final, plan=plan))
        extended = (*self.extended, self.plan.rounds)
        return replace(self, plan=plan, state=state, continues=self.plan.digest, extended=extended)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, by name; none shares memory with another."""
        final, given = self.state.final, self.state.shared
        best = {} if final.best is None else final.best.shared
        needed = final.initial if self.plan.initial.interpolate else {}
        parts = {BEST: best, INITIAL: needed, STRATEGY: self.strategy.tensors}
        others = {prefix + name: tensor.clone() for prefix, part in parts.items() for name, tensor in part.items()}
        return {**{SHARED + name: tensor for name, tensor in given.items()}, **others}

    def values(self) -> dict[str, Any]:
        """The rest, as JSON, but for the rounds that are over."""
        state, best = self.state, self.state.final.best
        return {
            "plan": self.plan.to_json(),
            "number": state.number,
            "round": round_values(state.rounds[-1]),
            "offers": [[node, values_of(config_of(pack_offer(offer), SITE))] for node, offer in state.roster.items()],
            "best": None if best is None else [best.number, best.figure, sorted(best.sites)],
            "choices": state.choices,
            "bounds": state.memory.values(),
            "strategy": self.strategy.plain,
            "entries": self.entries,
            "run": self.run,
            "seconds": self.seconds,
            "asked": self.asked,
            "continues": self.continues,
            "extended": list(self.extended),
            "durations": {what: list(rounds.items()) for what, rounds in self.durations.items()},
        }


def checkpoint_from(values: Mapping[str, Any], tensors: Mapping[str, Tensor], over: tuple[Round, ...]) -> Checkpoint:
    """The reverse of `Checkpoint.values` and `Checkpoint.tensors`.

    Args:
        over: the rounds before the last aggregated one.
    """
    plan = from_json(values["plan"])
    task = tasks.of(plan.data)
    shared, initial = _under(SHARED, tensors), _under(INITIAL, tensors)
    best = None
    if values["best"] is not None:
        number, figure, sites = values["best"]
        best = Candidate(number, figure, _under(BEST, tensors), frozenset(sites))
    roster = {int(node): unpack_offer(RecordDict({SITE: config_from(offer)}), task) for node, offer in values["offers"]}
    rounds = (*over, round_from(values["round"], task))
    final = FinalModel(plan, initial or shared, best)
    memory = memory_from(values.get("bounds", {}))
    state = RunState(values["number"], shared, roster, rounds, final, values["choices"], memory)
    strategy = Kept(values["strategy"], _under(STRATEGY, tensors))
    plain = {name: values[name] for name in ("entries", "run", "seconds", "asked", "continues")}
    durations = {what: dict(rounds) for what, rounds in values.get("durations", {}).items()}
    return Checkpoint(plan, state, strategy, **plain, extended=tuple(values["extended"]), durations=durations)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
