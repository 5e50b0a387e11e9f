"""The exact head on kept features, site by site: what `shift.py` measures of every part that suits a frozen network.

Features, scales and estimates of prevalence are the product's own; the head is the pooled solution that
``strategy=exact`` finds, by scipy over the span of the training cases, for each ridge of its path.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score
from torch import Tensor

import fedgraft as fg
from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common.features.moments import Moments, balanced, balanced_by, moments_of
from fedgraft.common.features.prevalence import by_em
from fedgraft.common.features.scale import Standardised, common_moments, common_values, own_values, scale_of
from fedgraft.common.interfaces.features import Group
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import cache_folder, lay_out

Floats = NDArray[np.float64]
RIDGES = (1.0, 0.316, 0.1, 0.0316, 0.01)
"""Of softmax weights: mean loss + ridge / 2 |W|^2."""
_EVEN = torch.tensor([0.5, 0.5], dtype=torch.float64)


@dataclass(frozen=True)
class Site:
    """``rows`` ``(N, F)`` float32, not scaled; ``labels`` ``(N,)`` of 0 and 1; ``split`` ``(N,)`` of names."""

    rows: Tensor
    labels: NDArray[np.int64]
    split: NDArray[np.str_]

    def part(self, name: str) -> tuple[Tensor, NDArray[np.int64]]:
        """Rows and labels of a split; of all for ``""``."""
        where = self.split == name if name else np.full(len(self.labels), True)
        return self.rows[torch.from_numpy(where)], self.labels[where]

    @property
    def train(self) -> tuple[Tensor, NDArray[np.int64]]:
        return self.part("train")


@dataclass(frozen=True)
class Head:
    """Log odds of the second class: ``rows @ weights + bias``; ``biases`` are sites' own, if they have some."""

    weights: Floats
    bias: float
    biases: Mapping[str, float]

    def scores(self, rows: Tensor, site: str) -> Floats:
        return np.asarray(rows.double().numpy() @ self.weights + self.biases.get(site, self.bias))


def with_statistics(plan: Plan, held: str | None, scratch: Path) -> Plan:
    """The plan with the numbers that sites are asked for before the first round, as a run has found them."""
    asks = plan.harmonise.target is not None or (plan.table is not None and plan.table.statistics == "federated")
    if not asks:
        return plan
    short = replace(plan, rounds=1, hold_out=() if held is None else (held,))
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        ran = fg.simulate(fg.Planned(short), folder, quiet=True).plan.plan
    return replace(plan, table=ran.table, harmonise=ran.harmonise)


def sites_of(plan: Plan) -> dict[str, Site]:
    """Every site's features, computed once and kept."""
    model = build(plan, None, plan.engine.trusted)
    store = Store(cache_folder(os.environ) / "store" / "kept")
    context = InputContext(plan, plan.engine.trusted, store, workers=1)
    inputs = factory_of(context.kind, context.trusted).inputs(context)
    machine = choose("cpu", 1, plan.engine.workers, plan.engine.batch)
    extractor = FeatureExtractor(plan, model, model.backbone_name, inputs, store, machine)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, file in lay_out(plan, Path(scratch), os.environ).sites.items():
            cases = accept_whole(read_manifest(file.parent / "manifest.csv"), plan, inputs)
            split = split_as_planned(cases.cases, plan.data, plan.seed)
            part = {case: side for side, some in split.items() for case in some}
            rows = extractor.examples(cases).inputs.clone().float()
            found[name] = Site(rows, cases.labels.numpy(), np.array([part[case] for case in cases.cases]))
    return found


@dataclass(frozen=True)
class Scaler:
    """A plan's ``features.scale`` over the training cases of some sites."""

    plan: Plan
    module: torch.nn.Module
    sites: Mapping[str, Site]
    given: Mapping[str, Tensor]

    def at(self, name: str, rows: Tensor, moments: Moments | None = None) -> Tensor:
        """A site's rows, scaled, by its own training cases where the plan says so.

        Args:
            moments: in the place of the site's own.
        """
        if not isinstance(self.module, Standardised):
            scaled: Tensor = self.module(rows)
            return scaled
        own = moments or moments_of(self.sites[name].train[0])
        values = {**self.given, **own_values(self.module, own, self.given, self.plan.features.shrink)}
        return self.module.scaled(rows, values["mean"], values["deviation"])

    def at_trained(self, name: str, rows: Tensor) -> Tensor:
        """At a site that trains, which may look at its labels."""
        if self.plan.features.scale != "own_balanced":
            return self.at(name, rows)
        features, labels = self.sites[name].train
        return self.at(name, rows, balanced(features, torch.from_numpy(labels)))

    def at_unlabelled(self, name: str, rows: Tensor, head: Head) -> Tensor:
        """At a site that never trained; ``own_balanced`` as `fedgraft.client.app.prevalence` does it."""
        if self.plan.features.scale != "own_balanced":
            return self.at(name, rows)
        features, moments, shares = self.sites[name].train[0], None, _EVEN
        for _ in range(50):
            before, (shares, posteriors) = shares, estimated(head.scores(self.at(name, features, moments), ""))
            moments = balanced_by(features, posteriors)
            if float((shares - before).abs().max()) < 1e-3:
                break
        return self.at(name, rows, moments)


def estimated(scores: Floats) -> tuple[Tensor, Tensor]:
    """Prevalence and posteriors by `by_em`, of a head that takes classes to be equally common."""
    second = torch.from_numpy(1 / (1 + np.exp(-scores)))
    found = by_em(torch.stack([1 - second, second], dim=1), _EVEN)
    return found.prevalence, found.posteriors


_MODULES: dict[str, torch.nn.Module] = {}


def scale_module(plan: Plan, width: int) -> torch.nn.Module:
    """What scales features of a plan; as built, since its values are given with each call."""
    if plan.table is not None:
        return scale_of(plan.features, (Group("columns", width),))
    key = repr((plan.features, plan.backbone, plan.data.image_size))
    if key not in _MODULES:
        _MODULES[key] = build(plan, None, plan.engine.trusted).network.scale
    return _MODULES[key]


def scaler(plan: Plan, sites: Mapping[str, Site], trains: Sequence[str]) -> Scaler:
    module = scale_module(plan, sites[trains[0]].rows.shape[1])
    names = {name for name, role in getattr(module, "roles", {}).items() if role == "given"}
    given: dict[str, Tensor] = {}
    if names:
        common = common_moments(plan.features, [moments_of(sites[name].train[0]) for name in trains])
        given = common_values(names, common) | ({"own": torch.ones(1)} if "own" in names else {})
    return Scaler(plan, module, sites, given)


@dataclass(frozen=True)
class Fitted:
    """A head of some sites' training cases under a scale, and its AUROC on their validation cases together."""

    scaler: Scaler
    trains: tuple[str, ...]
    head: Head
    val: float
    ridge: float


def fitted(plan: Plan, sites: Mapping[str, Site], trains: Sequence[str], own_bias: bool = False) -> Fitted:
    """The head of the ridge that validation cases prefer."""
    scale = scaler(plan, sites, trains)
    rows = torch.cat([scale.at_trained(name, sites[name].train[0]) for name in trains])
    labels = np.concatenate([sites[name].train[1] for name in trains])
    place = np.repeat(range(len(trains)), [len(sites[name].train[1]) for name in trains]) if own_bias else None
    checked = [(name, *sites[name].part("val")) for name in trains]
    inputs = [(name, scale.at_trained(name, some), truth) for name, some, truth in checked if len(truth)]
    truth = np.concatenate([truth for *_, truth in inputs])
    best = None
    for ridge, head in path(rows, labels, place, trains):
        val = float(roc_auc_score(truth, np.concatenate([head.scores(some, name) for name, some, _ in inputs])))
        if best is None or val > best.val:
            best = Fitted(scale, tuple(trains), head, val, ridge)
    assert best is not None
    return best


def path(
    rows: Tensor, labels: NDArray[np.int64], place: NDArray[np.int64] | None, names: Sequence[str]
) -> Iterator[tuple[float, Head]]:
    """Heads of class-weighted cross-entropy by ridge, strongest first.

    Args:
        place: of each row the number of its site, if sites have intercepts of their own.
    """
    inputs, back = spanned(rows)
    groups = np.zeros(len(labels), int) if place is None else place
    sign, count = np.where(labels > 0, 1.0, -1.0), np.bincount(labels, minlength=2)
    weight = (len(labels) / (2 * count))[labels] / len(labels)
    start = np.zeros(inputs.shape[1] + groups.max() + 1)

    for ridge in RIDGES:

        def loss(at: Floats, ridge: float = ridge) -> tuple[float, Floats]:
            weights, biases = at[: inputs.shape[1]], at[inputs.shape[1] :]
            margin = sign * (inputs @ weights + biases[groups])
            slope = -sign * weight * np.exp(-np.logaddexp(0, margin))
            small = 0.0 if place is None else 1e-3
            value = weight @ np.logaddexp(0, -margin) + ridge / 4 * weights @ weights + small / 4 * biases @ biases
            by_bias = np.bincount(groups, slope, len(biases)) + small / 2 * biases
            return float(value), np.concatenate([inputs.T @ slope + ridge / 2 * weights, by_bias])

        start = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300, "gtol": 3e-5}).x
        biases = start[inputs.shape[1] :]
        own = {} if place is None else dict(zip(names, biases.tolist(), strict=True))
        yield ridge, Head(back @ start[: inputs.shape[1]], float(biases.mean()), own)


def spanned(rows: Tensor) -> tuple[Floats, Floats]:
    """Rows ``(N, F)`` as coordinates ``(N, r)`` in their own span, and the ``(F, r)`` that leads back."""
    wide = rows.double()
    if wide.shape[0] >= wide.shape[1]:
        return wide.numpy(), np.eye(wide.shape[1])
    values, vectors = torch.linalg.eigh((rows @ rows.T).double())
    large = values > values.max() * 1e-7
    roots, vectors = values[large].sqrt(), vectors[:, large]
    return (vectors * roots).numpy(), (wide.T @ (vectors / roots)).numpy()
