"""One exchange, exactly pooled: the ridge head over scaled features equals scikit-learn's on all training cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import RoundError, UndefinedFigureError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.summary import summary
from fedgraft.server.rounds.loop import run

from .conftest import Hospitals, Numbers, Rows, Run

PlanOf = Callable[..., Plan]
RunOver = Callable[..., Run]
ONCE = ("rounds=0", "initial=ridge", "initial.scale=1")
ALPHAS = (3000.0, 100.0, 3.0, 0.1)


def scaled(held: Hospitals, scale: str, split: str) -> tuple[Numbers, Numbers]:
    """The numbers of all cases of a split, standardised by scikit-learn, and their labels."""
    common = StandardScaler().fit(np.concatenate([rows.train for rows in held.values()]))
    found, labels = [], []
    for rows in held.values():
        some = [one == split for one in rows.splits]
        scaler = common if scale == "common" else StandardScaler().fit(rows.train)
        found.append(scaler.transform(rows.numbers[some]))
        labels.append(rows.labels[some])
    return np.concatenate(found), np.concatenate(labels)


def fitted(features: Numbers, labels: Any, alpha: float, balanced: bool) -> Any:
    weights = (len(labels) / (2 * np.bincount(labels)))[labels] if balanced else None
    return Ridge(alpha=alpha).fit(features, np.eye(2)[labels], sample_weight=weights)


def close(run: Run, ridge: Any, tolerance: float = 1e-5) -> None:
    state = run.state()
    np.testing.assert_allclose(state["head.weight"], ridge.coef_, atol=tolerance)
    np.testing.assert_allclose(state["head.bias"], ridge.intercept_, atol=tolerance)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("scale", ["common", "own"])
def test_it_is_scikit_learns_ridge_of_the_pooled_cases(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals, scale: str, balanced: bool
) -> None:
    plan = numbers_plan(*ONCE, f"features.scale={scale}", "initial.alpha=3", f"initial.balanced={balanced}")
    found = run_over(plan, hospitals)
    close(found, fitted(*scaled(hospitals, scale, "train"), 3.0, balanced))
    assert len(found.outcome.rounds) == 1 and found.outcome.final.number == 0
    assert set(found.outcome.final.by_site) == set(hospitals)


def test_validation_cases_choose_the_penalty(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    """By the AUROC of scikit-learn's own heads on all validation cases; no second pass over the training cases."""
    plan = numbers_plan(*ONCE, "features.scale=common", f"initial.alpha={list(ALPHAS)}")
    found = run_over(plan, hospitals)
    cases, labels = scaled(hospitals, "common", "val")
    figures = {}
    for alpha in ALPHAS:
        scores = fitted(*scaled(hospitals, "common", "train"), alpha, True).predict(cases)
        figures[f"alpha={alpha:g}"] = roc_auc_score(labels, scores[:, 1] - scores[:, 0])
    assert len({round(figure, 4) for figure in figures.values()}) > 1, "the penalties differ"
    assert found.outcome.choices == {"initial": pytest.approx(figures, abs=2e-3)}
    best = max(figures, key=lambda name: figures[name])
    close(found, fitted(*scaled(hospitals, "common", "train"), float(best.removeprefix("alpha=")), True))
    asked = [e.what for e in found.ledger.entries]
    assert (asked.count("sums"), asked.count("initial")) == (3, 3 * len(ALPHAS))
    assert summary(plan, found.outcome, found.ledger, 1.0)["choices"]["initial"].keys() == figures.keys()


def test_without_validation_cases_none_can_be_chosen(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    held = {
        n: Rows(r.numbers, r.labels, tuple(s.replace("val", "test") for s in r.splits)) for n, r in hospitals.items()
    }
    words = "initial: of alpha=10, alpha=1 none can be chosen: .* or set initial.alpha to one number"
    with pytest.raises(UndefinedFigureError, match=words):
        run_over(numbers_plan(*ONCE, "initial.alpha=[1, 10]"), held)
    run_over(numbers_plan(*ONCE, "initial.alpha=1"), held)


def test_a_sketch_is_ridge_on_combinations_of_the_scaled_numbers(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    plan = numbers_plan(*ONCE, "features.scale=common", "initial.alpha=1", "initial.sketch=3")
    found = run_over(plan, hospitals)
    drawn = torch.randint(2, (4, 3), generator=torch.Generator().manual_seed(4))
    signs = (2.0 * drawn.double() - 1).numpy() / 3**0.5
    features, labels = scaled(hospitals, "common", "train")
    ridge = fitted(features @ signs, labels, 1.0, True)
    np.testing.assert_allclose(found.state()["head.weight"], ridge.coef_ @ signs.T, atol=1e-5)
    np.testing.assert_allclose(found.state()["head.bias"], ridge.intercept_, atol=1e-5)


def test_a_site_that_withholds_its_sums(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    """It is named and left out, of moments and sums; or the run ends."""
    silent = Rows(**{**vars(hospitals["site-1"]), "release": "{min_count: 1, statistics: false, class_counts: false}"})
    held = {**hospitals, "site-1": silent}
    plan = numbers_plan(*ONCE, "features.scale=common", "initial.alpha=1")
    found = run_over(plan, held)
    told = {name: rows for name, rows in hospitals.items() if name != "site-1"}
    close(found, fitted(*scaled(told, "common", "train"), 1.0, True))
    lines = summary(plan, found.outcome, found.ledger, 1.0)
    assert (lines["moments_without"], lines["initial_without"]) == (["site-1"], ["site-1"])
    needed = numbers_plan(*ONCE, "features.scale=common", "initial.alpha=1", "initial.every_site=true")
    with pytest.raises(RoundError, match=r"initial=ridge needs the sums of every site; set initial\.every_site=false"):
        run_over(needed, held)


def test_class_weights_are_those_of_the_cases_in_the_sums(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    """A site gives its counts and withholds its sums: the others are asked again, with their own counts."""
    silent = Rows(**{**vars(hospitals["site-2"]), "release": "{min_count: 1, statistics: false}"})
    plan = numbers_plan(*ONCE, "features.scale=common", "initial.alpha=1")
    found = run_over(plan, {**hospitals, "site-2": silent})
    told = {name: rows for name, rows in hospitals.items() if name != "site-2"}
    close(found, fitted(*scaled(told, "common", "train"), 1.0, True))
    asked = [entry.site for entry in found.ledger.entries if entry.what == "sums"]
    assert sorted(asked) == sorted([*hospitals, *told])


def tells_all(folder: Path) -> None:
    site = folder / "site.yaml"
    site.write_text(f"{site.read_text()}release: {{min_count: 1}}\n", encoding="utf-8")


def test_over_taps_of_images(lay: Callable[..., Any], compose_plan: PlanOf) -> None:
    """Every stage of a network, common scale, class-weighted, one exchange: scikit-learn's solution to 1e-5."""
    small = ("data.sites=3", "data.cases=48", "features=taps", "features.statistics=[mean]", "head=plain")
    plan = compose_plan(*small, "rounds=0", "initial=ridge", "initial.alpha=3", "initial.scale=1")
    laid = lay(plan, edit=tells_all)
    outcome = run(laid.context)
    assert all(e.reason == "" for e in laid.context.ledger.entries if e.what == "sums")
    workspace, features, labels = Workspace(), [], []
    for site in sorted(laid.folder.glob("*/site.yaml")):
        train = workspace.open(site, plan.digest, 1).cohort["train"]
        assert train.change is not None
        features.append(train.stored[train.rows(torch.arange(len(train)))].double().numpy())
        labels.append(train.labels.numpy())
    cases = StandardScaler().fit_transform(np.concatenate(features))
    ridge = fitted(cases, np.concatenate(labels), 3.0, True)
    np.testing.assert_allclose(outcome.shared["head.weight"], ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(outcome.shared["head.bias"], ridge.intercept_, atol=1e-5)
    assert cases.shape[1] == 16 + 24 + 32 + 48 + 64
