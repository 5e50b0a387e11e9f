"""Made-up outcomes of runs: evaluations of a model whose probabilities are wrong in a known way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedgraft.common import tasks
from fedgraft.common.calibration.logistic import sigmoid
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.rounds.state import Round, RunOutcome

PlanOf = Callable[..., Plan]
SHIFTS = {"alder": -1.5, "birch": 0.0, "cedar": 1.5}


def evaluated(plan: Plan, cases: int, shift: float = 0.0, seed: int = 0, one_sided: bool = False) -> Evaluation:
    """A model whose log odds are twice too large, and 2 too high: as class weights and long training make them."""
    rng, task = np.random.default_rng(seed), tasks.of(plan.data)
    odds = rng.normal(shift, 1.5, (cases, len(task.scored)))
    positive = rng.random(odds.shape) < sigmoid(odds)
    labels: Any = np.zeros(cases, np.int64) if one_sided else positive[:, 0].astype(np.int64)
    outputs = np.concatenate([np.zeros((cases, 1)), 2 * odds + 2], axis=1)
    if len(task.scored) > 1:
        labels, outputs = positive.astype(np.float64), 2 * odds + 2
    evaluation: Evaluation = task.evaluate_parts(outputs, labels, [cases])[0]
    return evaluation


def outcome(plan: Plan, by_site: dict[str, dict[str, Evaluation]], central: Evaluation | None = None) -> RunOutcome:
    offers = {name: Offer(name, 10, plan.digest, True, None) for name in by_site}
    return RunOutcome({}, (), offers, Round(2, tasks.of(plan.data), by_site=by_site, central=central))


def sites(plan: Plan, val: int = 300, test: int = 400) -> dict[str, dict[str, Evaluation]]:
    return {
        name: {"val": evaluated(plan, val, shift, place), "test": evaluated(plan, test, shift, 10 + place)}
        for place, (name, shift) in enumerate(SHIFTS.items())
    }
