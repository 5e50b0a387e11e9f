"""The fit is the pooled solution, whoever has which cases: scikit-learn's, to 1e-4 in every coefficient."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.training.before_head import inputs_of_weights
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.simulations.engine.run import simulate

Composer = Callable[..., Plan]
FitOver = Callable[..., Any]
RIDGE = 0.02
PATH = ("rounds=3", "strategy.strongest=0.5", f"strategy.weakest={RIDGE}")


def solution(
    rows: NDArray[Any], labels: NDArray[Any], balanced: bool, ridge: float = RIDGE
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The difference of the two classes' weights and biases by scikit-learn.

    The softmax over two classes has ``w`` and ``-w``, of which the ridge penalises both: ``ridge / 4`` of their
    difference, and a mean loss. scikit-learn penalises half of the difference, and ``C`` times the sum of the losses.
    """
    model = LogisticRegression(
        C=2 / (ridge * len(labels)), tol=1e-10, max_iter=100_000, class_weight="balanced" if balanced else None
    )
    model.fit(rows, labels)
    return model.coef_[0], model.intercept_


def deals(labels: NDArray[np.int64]) -> dict[str, list[NDArray[np.int64]]]:
    """Ways to deal the patients: evenly, sorted by label (one-class sites), and 97 % of a label to each of two."""
    order, by_label = np.arange(len(labels)), np.argsort(labels, kind="stable")
    skewed = [np.flatnonzero((labels == c) ^ (order % 33 == 0)) for c in (0, 1)]
    return {
        "2": np.array_split(order, 2),
        "5": np.array_split(order, 5),
        "10, one class each": np.array_split(by_label, 10),
        "two, 97 % of a class each": skewed,
        "one": [order],
    }


@pytest.mark.parametrize("weights", ["none", "global"])
def test_it_is_scikit_learn_s_however_the_cases_are_dealt(
    breast_plan: Composer, fit_over: FitOver, patients: Any, weights: str
) -> None:
    plan = breast_plan(*PATH, f"loss.weights={weights}")
    coefficients, intercept = solution(*patients.training, weights == "global")
    found = [fit_over(plan, deal, release="release: {min_count: 1}\n") for deal in deals(patients.labels).values()]
    for one in found:
        assert all(round_.fit.converged for round_ in one.outcome.rounds[1:])
        weight, bias = one.weights
        np.testing.assert_allclose(weight[1] - weight[0], coefficients, atol=1e-4)
        np.testing.assert_allclose(bias[1] - bias[0], intercept, atol=1e-4)


def training_of(plan: Plan, found: dict[str, Tensor], sites: Sequence[Path]) -> tuple[NDArray[Any], NDArray[Any]]:
    """What the head's weights see of all sites' training cases under the model that was found, float64, and the
    labels."""
    workspace, rows, labels = Workspace(), [], []
    for site in sites:
        session = workspace.open(site, plan.digest, 1)
        session.load({name: found[name] for name in session.specs})
        train = session.cohort["train"]
        rows.append(inputs_of_weights(session.model.constant.trained, train, session.device))
        labels.append(train.labels)
    return torch.cat(rows).double().numpy(), torch.cat(labels).numpy()


def needs(data: str) -> Any:
    return pytest.mark.skipif("FEDGRAFT_DATA" not in os.environ, reason=f"needs FEDGRAFT_DATA with {data}")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(("data.sites=2", "data.cases=80"), id="phantom"),
        pytest.param(
            ("data.sites=2", "data.cases=80", "features=taps", "features.scale=common"), id="taps, common scale"
        ),
        pytest.param(("data.sites=2", "data.cases=80", "features=taps", "features.scale=own"), id="taps, own scale"),
        pytest.param(
            ("data=uci_heart", "backbone=identity", "head=plain", "data.image_size=null"),
            marks=needs("uci_heart"),
            id="uci_heart",
        ),
        pytest.param(
            ("data=pneumoniamnist", "partition.sites=4", "data.normals=388"),
            marks=needs("pneumoniamnist"),
            id="pneumoniamnist",
        ),
    ],
)
def test_it_is_scikit_learn_s_on_features_and_on_tables(
    compose_plan: Composer, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, data: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    small = not any("uci_heart" in word for word in data)
    asked = (
        "strategy=exact",
        "strategy.tolerance=1e-7",
        "strategy.precision=float64",
        "engine.runtime=eager",  # as the rows of `training_of` are computed, to the last bit
        "strategy.most_evaluations=3000",
        "loss.weights=global",
    )
    summary = simulate(compose_plan(*data, *PATH, *asked, small=small), tmp_path, Console(file=StringIO()))
    assert summary["class_counts_withheld"] == []  # else the weights are those of the other sites
    plan = load_plan(tmp_path / "plan.yaml")
    found = safetensors.torch.load_file(tmp_path / "model" / "model.safetensors")
    rows, labels = training_of(plan, found, sorted(tmp_path.glob("sites/*/site.yaml")))
    coefficients, intercept = solution(rows, labels, balanced=True)
    weight, bias = found["head.weight"].double().numpy(), found["head.bias"].double().numpy()
    np.testing.assert_allclose(weight[1] - weight[0], coefficients, atol=1e-4)
    np.testing.assert_allclose(bias[1] - bias[0], intercept, atol=1e-4)
