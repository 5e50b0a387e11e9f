"""Folders of runs as a coordinator leaves them, from evaluations that are drawn and not trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from fedgraft.common import tasks
from fedgraft.common.calibration.logistic import sigmoid
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.files import append_json
from fedgraft.common.wire.offer import Offer
from fedgraft.server.evidence.evidence import gather
from fedgraft.server.exchange.ledger import Entry, Ledger
from fedgraft.server.reports.summary import round_line, summary
from fedgraft.server.rounds.state import Round, RunOutcome

PlanOf = Callable[..., Plan]
Made = Callable[..., Path]
HOSTILE = "<script>alert(1)</script>"
"""What a stranger may call a site."""
CASES = {"alder": 300, "birch": 200, HOSTILE: 150, "few": 12}


def evaluated(plan: Plan, cases: int, seed: int) -> Evaluation:
    """Scores that tell cases apart, of every kind of task."""
    rng, task = np.random.default_rng(seed), tasks.of(plan.data)
    evaluation: Evaluation
    if not task.has_probabilities:
        risk = rng.normal(0, 1, (cases, 1)).astype(np.float32)
        times = rng.exponential(np.exp(-risk[:, 0])) + 0.01
        labels: Any = np.stack([times, rng.random(cases) < 0.6], axis=1).astype(np.float32)
        evaluation = task.evaluate_parts(risk, labels, [cases])[0]
        return evaluation
    odds = rng.normal(0, 2, (cases, len(task.scored)))
    positive = rng.random(odds.shape) < sigmoid(odds)
    labels, outputs = positive.astype(np.float64), odds + 1
    if task.one_class_per_case:
        outputs = np.concatenate([np.zeros((cases, 1)), odds + 1], axis=1) if len(task.scored) == 1 else odds
        labels = positive[:, 0].astype(np.int64) if len(task.scored) == 1 else rng.integers(0, len(task.classes), cases)
    if cases == CASES["few"] and task.one_class_per_case:
        labels = np.array([1, 1] + [0] * (cases - 2))
    evaluation = task.evaluate_parts(outputs, labels, [cases])[0]
    return evaluation


def one_round(
    plan: Plan, number: int, splits: tuple[str, ...], central: bool, sites: Mapping[str, int], grouped: int
) -> Round:
    by_site = {
        name: {split: evaluated(plan, cases, place + len(split)).merged(grouped or 1) for split in splits}
        for place, (name, cases) in enumerate(sites.items())
    }
    test = evaluated(plan, 90, 99) if central else None
    trained = dict.fromkeys(sites, 1.0) if number else {}
    return Round(
        number,
        tasks.of(plan.data),
        sites=tuple(trained),
        train_loss=0.7 - 0.1 * number if number else None,
        by_site=by_site,
        grouped=dict.fromkeys(sites, grouped),
        central=test,
    )


@pytest.fixture
def run_folder(compose_plan: PlanOf, tmp_path: Path) -> Made:
    """Makes the folder of a run: from overrides of its plan, the splits that sites told, whether the coordinator has a
    test set, the cases of more sites (or of all, ``only``), of how many cases sites tell scores together, and why the
    run ended."""

    def make(
        *overrides: str,
        splits: tuple[str, ...] = ("val", "test"),
        central: bool = False,
        more: Mapping[str, int] = MappingProxyType({}),
        only: Mapping[str, int] | None = None,
        grouped: int = 0,
        reason: str = "",
    ) -> Path:
        sites = {**CASES, **more} if only is None else dict(only)
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        plan = compose_plan(*overrides)
        ledger = Ledger(folder / "ledger.jsonl")
        for number in (1, 2):
            for node, name in enumerate(sites):
                gone = number == 2 and name == "birch"
                outcome = ("unreachable", "error <b>5</b>") if gone else ("ok", "")
                ledger.write(
                    Entry(number, "train", name, node, *outcome, None if gone else 10, 2000, 0 if gone else 900)
                )
        rounds = tuple(one_round(plan, number, splits, central, sites, grouped) for number in (0, 1, 2))
        offers = {
            name: Offer(name, plan.digest, True, 2 * cases, None, grouped=grouped) for name, cases in sites.items()
        }
        ended = RunOutcome({}, rounds, offers, rounds[-1])
        found = {**summary(plan, ended, ledger, 12.5, reason), **gather(plan, ended).plain, "notes": ["<i>a note</i>"]}
        (folder / "summary.json").write_text(json.dumps(found), encoding="utf-8")
        (folder / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
        (folder / "rounds.jsonl").unlink(missing_ok=True)
        append_json(folder / "rounds.jsonl", *map(round_line, rounds))
        return folder

    return make


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    """The folder of a study of two methods at two sites."""
    by = {"federated": (0.8, 0.9), "local": (0.7, None)}

    def spread(value: float | None) -> dict[str, Any]:
        return {"mean": value, "sd": None, "values": [value]}

    def difference(value: float | None) -> dict[str, Any]:
        return {"mean": value, "low": None, "high": None, "values": [value]}

    sites = ["alder", HOSTILE]
    found = {
        "headline": "auroc",
        "heading": "AUROC",
        "seeds": [0],
        "folds": None,
        "sites": sites,
        "methods": list(by),
        "by_site": {site: {m: spread(by[m][place]) for m in by} for place, site in enumerate(sites)},
        "mean_over_sites": {"federated": spread(0.85), "local": spread(0.7)},
        "worst_site": {"federated": {"site": "alder", **spread(0.8)}, "local": None},
        "difference": {
            "local": {
                "mean_over_sites": difference(0.1),
                "by_site": {"alder": difference(0.1), HOSTILE: difference(None)},
            }
        },
        "cost": {m: {"runs": 1, "seconds": 3.0, "bytes_up": None, "bytes_down": 2048} for m in by},
        "dropped": [],
        "failed": [],
        "verdict": "Whether federation helped can't be said <from> one seed.",
        "notes": ["a note"],
        "budget": [],
    }
    (tmp_path / "study.json").write_text(json.dumps(found), encoding="utf-8")
    return tmp_path
