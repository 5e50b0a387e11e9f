"""Fits of every kind of loss, over the full batches of several sites, against independent implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.full_batch import FullBatch, full_batch, widened
from fedgraft.common.exact.path import ExactPath
from fedgraft.common.heads.heads import Cosine, Linear
from fedgraft.common.losses.binary_cross_entropy import BinaryCrossEntropy
from fedgraft.common.losses.cox import CoxPartialLikelihood
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.focal import FocalLoss
from fedgraft.common.wire.messages import specs_of
from fedgraft.server.exact.fit import Fit, SiteLeftError, Sums, fit
from fedgraft.server.exact.layout import Layout

Numbers = NDArray[Any]
CPU = torch.device("cpu")
SITES = (slice(0, 40), slice(40, 55), slice(55, 120))
WIDTH, RIDGE = 4, 0.05
PATH = ExactPath(strongest=1.0, weakest=RIDGE, tolerance=1e-8, most_evaluations=2000, memory=10, precision="float64")


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(120, WIDTH, generator=torch.Generator().manual_seed(0))


def fitted(
    rows: Tensor, labels: Tensor, head: nn.Module, loss: nn.Module, path: ExactPath = PATH, sites: Any = SITES
) -> Fit:
    """The fit over sites that hold these parts of the cases."""
    batches = [full_batch(head, Examples(rows[some], labels[some]), CPU, torch.float64) for some in sites]
    start = {name: tensor.detach().double() for name, tensor in head.named_parameters()}
    return fit(pooled(batches, loss), Layout(specs_of(start)), start, path.weakest, path)


def pooled(batches: Sequence[FullBatch], loss: nn.Module) -> Callable[[dict[str, Tensor]], Sums]:
    def ask(weights: dict[str, Tensor]) -> Sums:
        told = [batch.summed_loss(weights, widened(loss)) for batch in batches]
        gradient = {name: torch.stack([one.gradient[name] for one in told]).sum(0) for name in weights}
        return Sums(sum(one.loss for one in told), gradient, sum(len(batch.labels) for batch in batches))

    return ask


def minimum(objective: Callable[[Numbers], float], start: Numbers) -> Numbers:
    """By another optimiser, with numerical derivatives."""
    found = minimize(objective, start, method="BFGS", options={"gtol": 1e-9, "maxiter": 10_000})
    return np.asarray(found.x)


def linear(outputs: int, rows: Tensor) -> Linear:
    return Linear(rows.shape[1], outputs, normalise=False)


def vector(weights: Mapping[str, Tensor]) -> Numbers:
    return torch.cat([weights[name].reshape(-1) for name in ("weight", "bias")]).numpy()


def test_three_classes_are_scikit_learn_s(rows: Tensor) -> None:
    labels = (rows[:, 0] > 0.3).long() + (rows[:, 1] + 0.5 * torch.sin(9 * rows[:, 2]) > 0.5).long()
    found = fitted(rows, labels, linear(3, rows), CrossEntropy(None))
    model = LogisticRegression(C=1 / (RIDGE * 120), tol=1e-10, max_iter=10_000).fit(rows.double().numpy(), labels)
    np.testing.assert_allclose(found.weights["weight"].numpy(), model.coef_, atol=1e-5)
    assert found.converged


def test_cox_stratified_by_site_is_that_of_a_hand_written_likelihood(rows: Tensor) -> None:
    """Events by Breslow, risk sets within each site; the sum is divided by all cases, whatever ``mean`` says."""
    generator = torch.Generator().manual_seed(1)
    time = torch.rand(120, generator=generator) * torch.exp(-rows[:, 0])
    event = (torch.rand(120, generator=generator) < 0.6).float()
    labels = torch.stack([time, event], dim=1)
    x, t, e = rows.double().numpy(), time.double().numpy(), event.numpy()

    def objective(w: Numbers) -> float:
        total = 0.0
        for some in SITES:
            h, times, events = x[some] @ w, t[some], e[some]
            for i in np.flatnonzero(events):
                total += float(np.log(np.exp(h[times >= times[i]]).sum()) - h[i])
        return total / 120 + RIDGE / 2 * float(w @ w)

    wanted = minimum(objective, np.zeros(WIDTH))
    for mean in ("cases", "events"):
        found = fitted(rows, labels, linear(1, rows), CoxPartialLikelihood("breslow", mean))  # type: ignore[arg-type]
        np.testing.assert_allclose(found.weights["weight"][0].numpy(), wanted, atol=1e-4)
        np.testing.assert_allclose(found.loss + RIDGE / 2 * float(wanted @ wanted), objective(wanted), atol=1e-7)


def test_binary_cross_entropy_counts_the_known_labels(rows: Tensor) -> None:
    """Two findings, of which some labels are unknown: each is the logistic regression over the cases that know it."""
    labels = torch.stack([rows[:, 0] + 0.5 * rows[:, 3] > 0.2, rows[:, 1] < 0.1 * rows[:, 2]], dim=1).float()
    labels[::7, 0] = torch.nan
    labels[40:55, 1] = torch.nan  # one site knows nothing of it
    found = fitted(rows, labels, linear(2, rows), BinaryCrossEntropy(None))
    for finding in (0, 1):
        known = ~torch.isnan(labels[:, finding])
        model = LogisticRegression(C=1 / (RIDGE * 120), tol=1e-10, max_iter=10_000)
        model.fit(rows[known].double().numpy(), labels[known, finding].long())
        np.testing.assert_allclose(found.weights["weight"][finding].numpy(), model.coef_[0], atol=1e-5)
        np.testing.assert_allclose(float(found.weights["bias"][finding]), model.intercept_[0], atol=1e-5)


def test_the_focal_loss_is_that_of_a_hand_written_one(rows: Tensor) -> None:
    labels = (rows[:, 0] + torch.sin(5 * rows[:, 1]) > 0).long()
    weights = torch.tensor([0.5, 1.5])
    found = fitted(rows, labels, linear(2, rows), FocalLoss(weights, gamma=2.0))
    x, y, v = rows.double().numpy(), labels.numpy(), weights.double().numpy()

    def objective(w: Numbers) -> float:
        scores = x @ w[:8].reshape(2, 4).T + w[8:]
        p = np.exp(scores - np.logaddexp(scores[:, :1], scores[:, 1:]))[np.arange(120), y]
        return float((v[y] * (1 - p) ** 2 * -np.log(p)).sum() / 120 + RIDGE / 2 * (w[:8] @ w[:8]))

    wanted = minimum(objective, np.zeros(10))
    np.testing.assert_allclose(found.weights["weight"].numpy().ravel(), wanted[:8], atol=1e-4)
    assert objective(vector(found.weights)) == pytest.approx(objective(wanted), abs=1e-9)


def test_a_cosine_head_is_fitted_without_a_ridge(rows: Tensor) -> None:
    labels = (rows[:, 0] > 0).long()
    torch.manual_seed(0)
    path = ExactPath(strongest=1.0, weakest=0.0, tolerance=1e-6, most_evaluations=2000, memory=10, precision="float64")
    found = fitted(rows, labels, Cosine(WIDTH, 2, 4.0), CrossEntropy(None), path)
    assert found.converged
    assert found.loss < 0.3 < np.log(2)


def test_sites_without_a_case_of_a_class_change_nothing(rows: Tensor) -> None:
    labels = (rows[:, 0] > 0.5).long()
    order = torch.argsort(labels)
    rows, labels = rows[order], labels[order]
    parts = [
        (slice(0, 120),),
        (slice(0, 10), slice(10, 20), slice(20, 120)),
        tuple(slice(k, k + 1) for k in range(120)),
    ]
    found = [vector(fitted(rows, labels, linear(2, rows), CrossEntropy(None), sites=some).weights) for some in parts]
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)


def test_a_head_of_several_layers_is_fitted_to_a_small_gradient(rows: Tensor) -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(WIDTH, 3), nn.Tanh(), nn.Linear(3, 2))
    labels = (rows[:, 0] * rows[:, 1] > 0).long()
    found = fitted(rows, labels, head, CrossEntropy(None), ExactPath(1.0, 0.001, 1e-6, 2000, 10, "float64"))
    assert found.converged
    assert found.loss < 0.5 < np.log(2)


def test_it_starts_anew_from_its_best_point_when_a_site_leaves(rows: Tensor) -> None:
    """The quadratic of two sites, (w - 5)^2 and (w + 1)^2, has its minimum at 2; that of the first alone at 5."""
    asked: list[float] = []

    def ask(weights: dict[str, Tensor]) -> Sums:
        w = float(weights["weight"])
        asked.append(w)
        if len(asked) == 3:
            raise SiteLeftError
        centres = (5.0, -1.0) if len(asked) < 3 else (5.0,)
        slope = sum(2 * (w - c) for c in centres)
        tensor = torch.tensor([[slope]], dtype=torch.float64)
        return Sums(sum((w - c) ** 2 for c in centres), {"weight": tensor}, len(centres))

    start = {"weight": torch.zeros(1, 1, dtype=torch.float64)}
    found = fit(ask, Layout(specs_of(start)), start, 0.0, PATH)
    assert float(found.weights["weight"]) == pytest.approx(5.0, abs=1e-7)
    assert asked[3] == asked[1]  # the best of the first two
    assert found.evaluations == len(asked)
    assert found.loss == pytest.approx(0.0, abs=1e-12)


def test_the_layout_keeps_names_and_shapes_and_penalises_matrices() -> None:
    tensors = {"a": torch.tensor(5.0), "b": torch.tensor([1.0, 2.0]), "c": torch.tensor([[3.0, 4.0]])}
    layout = Layout(specs_of(tensors))
    np.testing.assert_array_equal(layout.vector(tensors), [5, 1, 2, 3, 4])
    np.testing.assert_array_equal(layout.penalised, [0, 0, 0, 1, 1])
    back = layout.tensors(layout.vector(tensors))
    assert {name: tensor.dtype for name, tensor in back.items()} == dict.fromkeys("abc", torch.float64)
    assert all(torch.equal(back[name], tensors[name].double()) for name in tensors)
