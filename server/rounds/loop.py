"""The loop of a run, in four phases: prepare, start, round after round, finish.

A phase gets the context, which never changes, and what the phase before handed on; it changes neither, but for Flower's
strategy (`fedgraft.server.rounds.state.Prepared`). A run could go on from any `RunState`.
"""

from __future__ import annotations

from fedgraft.common import tasks
from fedgraft.common.runtime.gc_tuning import relaxed_gc
from fedgraft.server.rounds.final_model import FinalModel
from fedgraft.server.rounds.finish import finish
from fedgraft.server.rounds.head_start import initial_shared
from fedgraft.server.rounds.held_out import training
from fedgraft.server.rounds.prepare import prepare
from fedgraft.server.rounds.round import next_round
from fedgraft.server.rounds.state import Prepared, Round, RunContext, RunOutcome, RunState


def run(context: RunContext) -> RunOutcome:
    """All rounds of a plan.

    Raises:
        RoundError: fewer than ``strategy.min_sites`` sites sent a usable answer; says who was missing and why.
        UndefinedFigureError: ``select=best``, and nothing to choose by.
    """
    with relaxed_gc():
        prepared = prepare(context)
        state = start(context, prepared)
        while state.number < context.plan.rounds:
            state = next_round(context, prepared, state)
        return finish(context, state)


def start(context: RunContext, prepared: Prepared) -> RunState:
    """Round 0: the model before any training, perhaps with a head made from the sites' sums."""
    plan = context.plan
    shared = initial_shared(context.grid, plan, training(prepared.roster, plan), context.initial, context.ledger)
    untrained = Round(0, tasks.of(plan.data), central=context.central(shared))
    context.progress(untrained)
    return RunState(0, shared, prepared.roster, (untrained,), FinalModel(plan, shared))
