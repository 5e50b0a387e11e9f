"""``personal=intercept``: with ``strategy=exact`` a regression with an intercept for each site, which stays there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from fedgraft.common import tensors
from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
FitOver = Callable[..., Any]
RIDGE, OWN_RIDGE = 0.05, 1e-3
ONE = ("rounds=1", f"strategy.weakest={RIDGE}", "personal=intercept")


def with_indicators(patients: Any, deal: list[NDArray[np.int64]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights ``(2, 30)`` and each site's intercepts ``(sites, 2)`` that all cases together give, by another optimiser;
    every intercept is drawn to 0 by ``OWN_RIDGE``, in proportion to the site's cases."""
    groups = [(patients.rows[some], patients.labels[some]) for some in (k[~patients.is_val[k]] for k in deal)]
    cases = sum(len(labels) for _, labels in groups)

    def objective(at: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        w, b = at[:60].reshape(2, 30), at[60:].reshape(-1, 2)
        value, dw, db = RIDGE / 2 * float((w**2).sum()), RIDGE * w, np.zeros_like(b)
        for k, (rows, labels) in enumerate(groups):
            scores = rows @ w.T + b[k]
            log_sum = np.logaddexp(scores[:, 0], scores[:, 1])
            rest = (np.exp(scores - log_sum[:, None]) - np.eye(2)[labels]) / cases
            value += float((log_sum - scores[np.arange(len(labels)), labels]).sum()) / cases
            value += OWN_RIDGE / 2 * len(labels) * float((b[k] ** 2).sum()) / cases
            dw, db[k] = dw + rest.T @ rows, rest.sum(0) + OWN_RIDGE * len(labels) * b[k] / cases
        return value, np.concatenate([dw.ravel(), db.ravel()])

    options = {"gtol": 1e-12, "ftol": 0.0, "maxiter": 20_000, "maxfun": 20_000}
    found = minimize(objective, np.zeros(60 + 2 * len(deal)), jac=True, method="L-BFGS-B", options=options)
    return found.x[:60].reshape(2, 30), found.x[60:].reshape(-1, 2)


def kept(site: Path) -> torch.Tensor:
    (file,) = (site.parent / "state" / "local").glob("*.safetensors")
    held = tensors.load(file)
    assert set(held) == {"head.bias"}
    return held["head.bias"]


@pytest.mark.parametrize("dealt", ["evenly", "skewed, and one site of one class"])
def test_it_is_the_regression_with_an_indicator_for_each_site(
    breast_plan: Composer, fit_over: FitOver, patients: Any, dealt: str
) -> None:
    order = np.arange(len(patients.labels))
    by_label = np.argsort(patients.labels, kind="stable")
    deal = np.array_split(order, 3) if dealt == "evenly" else [by_label[:100], by_label[100:400], by_label[400:]]
    run = fit_over(breast_plan(*ONE), deal)
    weights, intercepts = with_indicators(patients, deal)
    assert set(run.outcome.shared) == {"head.weight"}
    np.testing.assert_allclose(run.outcome.shared["head.weight"].double().numpy(), weights, atol=1e-4)
    found = torch.stack([kept(site) for site in run.sites]).double().numpy()
    np.testing.assert_allclose(found, intercepts, atol=1e-3)
    assert run.outcome.rounds[1].fit.converged


def test_each_site_evaluates_with_its_own(breast_plan: Composer, fit_over: FitOver, patients: Any) -> None:
    """Sites of one class each say almost nothing with the weights, and are right by their intercepts."""
    by_label = np.argsort(patients.labels, kind="stable")
    whole = fit_over(breast_plan(*ONE), [by_label[:212], by_label[212:]])
    (last,) = [one for one in whole.outcome.rounds if one.number == 1]
    for site in ("site-00", "site-01"):
        assert last.by_site[site]["val"].figures()["accuracy"] == 1.0


def test_averaging_keeps_it_at_the_sites_too(compose_plan: Composer, federate: FitOver) -> None:
    run = federate(compose_plan("personal=intercept", "loss.weights=none"))
    assert set(run.outcome.shared) == {"head.weight"}
    held = [kept(folder / "site.yaml") for folder in sorted(run.folder.glob("*/")) if (folder / "site.yaml").is_file()]
    assert len(held) == 3
    assert not torch.equal(held[0], held[1])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ("head=cosine",),
            r"personal keeps head\.bias at each site, and the model has no such tensor; use personal=none",
        ),
        (
            ("strategy=exact", "loss=focal"),
            "strategy=exact with personal=intercept solves for each site's intercept by Newton's method, which needs a "
            "linear head and a convex loss",
        ),
        (("initial=ridge",), "initial=ridge gives all sites one head, but personal keeps the head at each site"),
        (("hold_out=[birch]",), "a local head would never be trained at birch"),
    ],
)
def test_what_does_not_go_with_it_is_refused(compose_plan: Composer, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        build(compose_plan("personal=intercept", *overrides), None)
