"""A run in four phases: prepare, start, the rounds, finish.

Each phase takes the context, which never changes, and the result of the phase before. It changes neither of them,
except for Flower's strategy, which has a state of its own (`fedgraft.server.rounds.round.TrainingRounds`). With this a
run can be resumed from any `RunState`.
"""

from __future__ import annotations

from dataclasses import replace

from fedgraft.common import tasks
from fedgraft.common.runtime.gc_tuning import relaxed_gc
from fedgraft.common.runtime.memory import keep_freed_memory
from fedgraft.server.exchange.held_out import training
from fedgraft.server.rounds.feature_scale import Scaled, with_scale
from fedgraft.server.rounds.final_model import FinalModel
from fedgraft.server.rounds.finish import finish
from fedgraft.server.rounds.first_head import FirstHead, first_head
from fedgraft.server.rounds.prepare import prepare
from fedgraft.server.rounds.ready import require_ready, up_to_date
from fedgraft.server.rounds.state import Prepared, Resumed, Round, Rounds, RunContext, RunOutcome, RunState


def run(context: RunContext, resumed: Resumed | None = None) -> RunOutcome:
    """All rounds of a plan, or those that are left.

    Raises:
        RoundError: fewer sites sent a usable answer than the quorum needs; says who was missing and why.
        UndefinedFigureError: ``select=best`` or ``initial.interpolate``, but no validation figure is defined.
    """
    keep_freed_memory()
    with relaxed_gc():
        prepared = prepare(context)
        if resumed is None:
            state = start(context, prepared)
            context.reached(prepared.rounds, state)
        else:
            state = _go_on(prepared, resumed)
        while state.number < context.plan.rounds:
            state = _next(context, prepared.rounds, state)
            context.reached(prepared.rounds, state)
        return finish(context, state)


def _next(context: RunContext, rounds: Rounds, state: RunState) -> RunState:
    """The next round, over the sites that are ready now. A deployed run below its quorum waits, and repeats the round
    from the same state, with those that came."""
    roster, number, is_fresh = state.roster, state.number + 1, state.number == 0

    def attempt() -> RunState:
        nonlocal roster, is_fresh
        if not is_fresh:  # just prepared
            roster = up_to_date(context, roster, number)
            require_ready(context, roster, number)
        is_fresh = False
        return rounds.next(context, replace(state, roster=roster))

    return context.waits.until_quorum(attempt)


def _go_on(prepared: Prepared, resumed: Resumed) -> RunState:
    """The state of an interrupted run, with the sites that are ready now."""
    prepared.rounds.restore(resumed.kept)
    return replace(resumed.state, roster=prepared.roster)


def start(context: RunContext, prepared: Prepared) -> RunState:
    """Round 0: the untrained model, perhaps with a scale and a head that are computed from the sites' sums; or the
    model of the run from whose graft this one begins, with the scale and the choice of features that it has."""
    plan = context.plan
    roster = training(prepared.roster, plan)
    scaled = with_scale(context, roster) if context.begins is None else Scaled(dict(context.begins), {})
    started = FirstHead(scaled.shared, None, {})
    if plan.initial.target is not None:
        started = first_head(context, roster, scaled.shared)
    untrained = Round(0, tasks.of(plan.data), central=context.central(started.shared))
    context.progress(untrained)
    choices: dict[str, Scaled | FirstHead] = {"features.scale": scaled, "initial": started}
    known = {option: one.figures for option, one in choices.items() if one.figures or one.blurred}
    return RunState(0, started.shared, prepared.roster, (untrained,), FinalModel(plan, started.shared), known)
