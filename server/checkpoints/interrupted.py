"""What an interrupted run leaves: the last model that the sites have evaluated, marked as not complete."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.errors import CheckpointError
from fedgraft.common.models.build import build
from fedgraft.server.checkpoints.checkpoint import Checkpoint
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.exchange.ledger import Ledger, read_entries, take_in_failures
from fedgraft.server.reports.results import write_results
from fedgraft.server.rounds.state import RunOutcome


def conclude(out: Path, reason: str) -> dict[str, Any] | None:
    """Write the results of a run that does not go on, from its checkpoints; it can be resumed afterwards.

    Args:
        reason: why it ended, in words.

    Returns:
        the content of ``summary.json``; ``None`` if the run left no checkpoint of a round, and nothing was written.
    """
    checkpoints = Checkpoints(out)
    try:
        last = checkpoints.read()
    except CheckpointError:
        return None
    if last.state.number == 0:
        return None
    plan = last.plan
    model = build(plan, None, plan.engine.trusted)
    take_in_failures(out / "ledger.jsonl")
    ledger = Ledger(None, known=read_entries(out / "ledger.jsonl"))
    outcome = outcome_of(checkpoints, last)
    return write_results(out, plan, model, outcome, ledger, last.seconds, reason, last.extended)


def outcome_of(checkpoints: Checkpoints, last: Checkpoint) -> RunOutcome:
    """The outcome as of a checkpoint: with the best round's model if the plan asks for it, else with that of the last
    round whose model the sites have evaluated, which they do in the round after it."""
    state, best = last.state, last.state.final.best
    number, shared = state.number, state.shared
    if best is not None:
        number, shared = best.number, dict(best.shared)
    elif number > 0:
        try:
            before = checkpoints.of_round(number - 1)
            number, shared = number - 1, before.state.shared
        except CheckpointError:
            pass  # then it is the newest model, without figures
    offers = {offer.site: offer for offer in state.roster.values()}
    return RunOutcome(shared, state.rounds, offers, state.rounds[number], {}, state.choices)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m fedgraft.server.checkpoints.interrupted OUT REASON``; exit code 1 if there is nothing to write."""
    parser = argparse.ArgumentParser(description="write the results of a run that does not go on")
    parser.add_argument("out", type=Path)
    parser.add_argument("reason")
    given = parser.parse_args(argv)
    return 1 if conclude(given.out, given.reason) is None else 0


if __name__ == "__main__":
    raise SystemExit(main())
