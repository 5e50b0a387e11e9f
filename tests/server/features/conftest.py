"""Hospitals with given numbers for features (tables without a network), and a whole run over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Message
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.training.session import Session
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import RunOutcome

from ..given_numbers import words_over, write_hospital
from ..in_process import Tamper, Tampered, context_over

Composer = Callable[..., Plan]
Numbers = NDArray[np.float64]
COLUMNS = ("a", "b", "c", "d")
CLASSES = ("clear", "lesion", "other")


@dataclass(frozen=True)
class Rows:
    """A hospital's cases: ``(N, 4)`` numbers, ``(N,)`` labels 0, 1 or 2, and the split of each."""

    numbers: Numbers
    labels: NDArray[np.int64]
    splits: tuple[str, ...]
    release: str = "{min_count: 1}"

    @property
    def train(self) -> Numbers:
        """The numbers of the training cases."""
        return self.numbers[[split == "train" for split in self.splits]]

    @property
    def train_labels(self) -> NDArray[np.int64]:
        return self.labels[[split == "train" for split in self.splits]]

    def holding(self, numbers: Numbers) -> Rows:
        return replace(self, numbers=numbers)


Hospitals = dict[str, Rows]


def dealt(
    seed: int = 0, sizes: tuple[int, ...] = (40, 26, 60), lesions: tuple[float, ...] = (0.5, 0.3, 0.7)
) -> Hospitals:
    """Hospitals whose scanners stretch and move the numbers, each with its own share of lesions."""
    rng, found = np.random.default_rng(seed), {}
    for place, (size, share) in enumerate(zip(sizes, lesions, strict=True)):
        labels = (np.arange(size) < round(size * share)).astype(np.int64)
        signal = rng.normal(size=(size, len(COLUMNS))) + np.outer(labels, [1.5, -1.0, 0.5, 0.0])
        numbers = 5 * place + (1 + 2 * place) * signal
        order = rng.permutation(size)
        splits = tuple(("train", "train", "train", "val", "test")[k % 5] for k in range(size))
        found[f"site-{place}"] = Rows(numbers[order], labels[order], splits)
    return found


@pytest.fixture
def hospitals() -> Hospitals:
    return dealt()


@pytest.fixture
def numbers_plan(compose_plan: Composer) -> Composer:
    """``numbers_plan("features.scale=own")`` -> a plan over such hospitals, whose features are their numbers."""

    def composed(*overrides: str) -> Plan:
        train = ("rounds=3", "train.epochs=2", "train.batch_size=8", "train.lr=0.1", "patience.quorum_sites=1")
        return compose_plan(*words_over(COLUMNS), *train, *overrides, small=False)

    return composed


@dataclass(frozen=True)
class Run:
    outcome: RunOutcome
    ledger: Ledger
    plan: Plan
    folder: Path
    workspace: Workspace
    messages: list[Message]

    def session(self, site: str) -> Session:
        return self.workspace.open(self.folder / site / "site.yaml", self.plan.digest, 1)

    def state(self) -> dict[str, Tensor]:
        return self.outcome.shared

    def figure(self, site: str, name: str = "loss", split: str = "test") -> Any:
        return self.outcome.final.by_site[site][split].figures()[name]


@pytest.fixture
def run_over(tmp_path: Path) -> Callable[..., Run]:
    """``run_over(plan, hospitals)``: a whole run; ``tamper`` turns a site's replies, by its name, into others."""

    def go(plan: Plan, held: Mapping[str, Rows], tamper: Mapping[str, Tamper] | None = None) -> Run:
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        sites = [_written(folder / name, rows) for name, rows in held.items()]
        places = {name: place for place, name in enumerate(held)}
        answering = Tampered(sites, {places[name]: change for name, change in (tamper or {}).items()})
        ledger = Ledger(None)
        return Run(
            run(context_over(plan, answering, ledger)), ledger, plan, folder, answering.workspace, answering.replies
        )

    return go


def _written(folder: Path, held: Rows) -> Path:
    rows = [",".join(repr(float(number)) for number in row) for row in held.numbers]
    cases = [(CLASSES[k], f"p{n}", split) for n, (k, split) in enumerate(zip(held.labels, held.splits, strict=True))]
    return write_hospital(folder, COLUMNS, rows, cases, f"release: {held.release}\n")


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], tolerance: float) -> bool:
    """Whether the heads are equal."""
    return all(torch.allclose(one[n], other[n], rtol=tolerance, atol=tolerance) for n in ("head.weight", "head.bias"))
