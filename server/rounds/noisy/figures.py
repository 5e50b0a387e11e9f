"""The final model's figures under ``privacy=record``: from the sum of all sites' noisy counts, and marked as noisy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from flwr.app import Message
from torch import Tensor

from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.privacy.budget import budget_of
from fedgraft.common.privacy.histograms import Counted
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.summed.kind import POOLED
from fedgraft.server.exchange.guard import Expected, Refusal, read_noisy_figures
from fedgraft.server.exchange.ledger import What
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.noisy.summed import noise_of_sum
from fedgraft.server.rounds.state import RunContext


class NoisyFigures(NamedTuple):
    """Evaluations of all sites together, as of one site with this name, and how far noise moves each figure, by split;
    both empty if no site answered."""

    by_site: dict[str, dict[str, Evaluation]]
    errors: dict[str, dict[str, float]]


def heard_with_noise(context: RunContext, roster: Roster, shared: Mapping[str, Tensor], what: What) -> NoisyFigures:
    """Have the sites of a roster evaluate a model after the last round; writes the ledger."""
    plan, budget, counted = context.plan, budget_of(context.plan), Counted(len(context.plan.data.classes))
    content = wire.pack_evaluate(dict(shared), plan.digest, plan.rounds, None)
    total, answered, entries, down = dict[str, Tensor](), 0, [], wire.count_bytes(content)
    for one in context.hear([Message(content, node, wire.EVALUATE) for node in roster], roster, plan.rounds, what):
        expected = Expected(one.offer.site, plan.digest, plan.rounds)
        found = one.refused or read_noisy_figures(one.reply, expected, counted.size)
        entries += one.lines(plan.rounds, what, found, down)
        if not isinstance(found, Refusal):
            answered += len(one.sites)
            total = {split: told + total[split] if total else told for split, told in found.items()}
    context.ledger.write(*entries)
    if not answered or budget.evaluation is None:
        return NoisyFigures({}, {})
    deviation = counted.bound * noise_of_sum(plan, budget.evaluation, len(roster), answered)
    figures = {split: counted.evaluation(told.numpy().astype(np.float64)) for split, told in total.items()}
    known = {split: one for split, one in figures.items() if one.cases}
    return NoisyFigures(
        {POOLED: dict(known)}, {split: counted.errors(one, deviation) for split, one in figures.items()}
    )
