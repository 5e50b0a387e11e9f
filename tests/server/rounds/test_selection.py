"""`select=best`: the round with the best validation figure is the final one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.common.errors import PlanError, UndefinedFigureError
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.server.rounds.selection import Candidate, better, first, require_selectable
from fedgraft.simulations.engine.run import simulate

Composer = Callable[..., Plan]


TASK = Classification(("clear", "lesion"))
RIGHT, EVEN, WRONG = [0.1, 0.9], [0.5, 0.5], [0.9, 0.1]  # AUROC 1, 0.5 and 0 of a clear case and one of lesion


def told(**scores: list[float]) -> dict[str, dict[str, Evaluation]]:
    """By site, the evaluation of one clear case and one of lesion with these scores."""
    return {site: {"val": evaluated(some, [0, 1])} for site, some in scores.items()}


def evaluated(scores: list[float], labels: list[int]) -> Evaluation:
    outputs = np.log([[1 - score, score] for score in scores])
    return TASK.evaluate_parts(outputs, np.array(labels), [len(labels)])[0]


def chosen(*rounds: Mapping[str, Mapping[str, Evaluation]]) -> Candidate:
    best: Candidate | None = None
    for number, by_site in enumerate(rounds):
        best = better(best, number, TASK, by_site, {"w": torch.tensor(float(number))}, {})
    assert best is not None
    return best


def test_the_first_of_the_best_is_kept() -> None:
    best = chosen(told(a=EVEN), told(a=WRONG), told(a=RIGHT), told(a=RIGHT), told(a=EVEN))
    assert (best.number, best.figure, best.shared["w"].item()) == (2, 1.0, 2.0)


def test_rounds_are_compared_over_the_sites_of_the_first() -> None:
    """Without b, on which the model is worst, round 1 would seem best; c came later and has no say."""
    first = told(a=EVEN, b=WRONG)
    assert chosen(first, told(a=RIGHT), told(a=RIGHT, b=EVEN)).number == 2
    assert chosen(first, told(a=EVEN, b=WRONG, c=RIGHT)).number == 0
    assert chosen(first, {**told(a=RIGHT), "b": {}}).number == 0


def test_scores_in_too_few_groups_choose_nothing() -> None:
    """With one case of each side, groups of two are too few; b tells each case's score."""
    rounds = [told(a=RIGHT, b=WRONG), told(a=EVEN, b=EVEN)]
    best = None
    for number, by_site in enumerate(rounds):
        best = better(best, number, TASK, by_site, {}, {"a": 2, "b": 0})
    assert best is not None and (best.number, best.sites) == (1, frozenset("b"))
    assert first(TASK, told(a=RIGHT), {}, {"a": 2}) is None
    assert better(None, 0, TASK, told(a=RIGHT, b=RIGHT), {}, {"a": 2, "b": 2}) is None


@pytest.mark.parametrize("by_site", [{}, {"a": {}}, {"a": {"val": evaluated(EVEN, [1, 1])}}])
def test_no_figure_in_the_first_round_is_an_error(by_site: Mapping[str, Mapping[str, Evaluation]]) -> None:
    with pytest.raises(UndefinedFigureError, match="select=best: in the first round the sites told no defined figure"):
        first(TASK, by_site, {}, {})


def test_tensors_that_stay_at_the_sites_can_t_be_had_back(compose_plan: Composer) -> None:
    plan = compose_plan("select=best", "adaptation=fedbn")
    with pytest.raises(PlanError, match=r"select=best can't go back to an earlier round: .* stay at each site"):
        require_selectable(plan, build(plan, None))
    other = compose_plan("adaptation=fedbn")
    require_selectable(other, build(other, None))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.val_fraction=0"], "select=best needs validation cases to choose by"),
        (["release.evaluation=false"], "select=best needs release.evaluation=true"),
        (["strategy.fraction=0.5"], "compares rounds by the validation cases of other sites each time"),
        (["initial._target_=fedgraft.x", "+initial.interpolate=[0.5]"], "each choose the final model"),
        (["personal._target_=fedgraft.x"], "with `personal` a site uses one of its own"),
    ],
)
def test_what_contradicts_it_is_named(compose_plan: Composer, overrides: list[str], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        compose_plan("select=best", *overrides)
    assert words in str(caught.value)


def test_a_run_ends_with_the_best_round_s_model(
    compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At so high a rate the figure goes up and down; the last evaluation is that of the best round's line."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    overrides = ("rounds=5", "train.lr=5", "train.schedule=constant", "data.val_fraction=0.3")
    plans = {name: compose_plan(*overrides, f"select={name}") for name in ("best", "last")}
    summaries = {name: simulate(plan, tmp_path / name, Console(file=StringIO())) for name, plan in plans.items()}
    lines = [json.loads(line) for line in (tmp_path / "best" / "rounds.jsonl").read_text().splitlines()]
    figures = [line["val"]["auroc"] for line in lines]
    chosen = figures.index(max(figures))
    assert 0 <= chosen < 5, "with these options the last round happened to be the best; choose another rate"
    best, last = summaries["best"], summaries["last"]
    assert (best["final_round"], last["final_round"]) == (chosen, 5)
    assert best["val"]["auroc"] == max(figures) > last["val"]["auroc"] == figures[-1]
    assert best["test"] == {**lines[chosen]["test"], "source": "sites"}
    weights = {name: safetensors.torch.load_file(tmp_path / name / "model" / "model.safetensors") for name in plans}
    assert not torch.equal(weights["best"]["head.weight"], weights["last"]["head.weight"])
    kept = safetensors.torch.load_file(tmp_path / "best" / "shared.safetensors")
    assert torch.equal(kept["head.weight"], weights["best"]["head.weight"])
