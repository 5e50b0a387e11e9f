"""Hospitals with the rows of scikit-learn's breast cancer table, dealt in any way, and a whole run over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import Round, RunOutcome

from ..given_numbers import words_over, write_hospital
from ..in_process import Tamper, Tampered, context_over

Composer = Callable[..., Plan]
Deal = Sequence[NDArray[np.int64]]
OPEN = "release: {min_patients: 1}\n"
"""Fits to many digits of patients that are told apart soon rest on few: who asks for more would be left out."""
COLUMNS = tuple(f"x{number}" for number in range(30))


@dataclass(frozen=True)
class Patients:
    """569 patients: standardised measurements ``(569, 30)``, label 0 or 1, and who is a validation case."""

    rows: NDArray[np.float64]
    labels: NDArray[np.int64]
    is_val: NDArray[np.bool_]

    @property
    def training(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return self.rows[~self.is_val], self.labels[~self.is_val]


@pytest.fixture(scope="session")
def patients() -> Patients:
    found = load_breast_cancer()
    rows = ((found.data - found.data.mean(0)) / found.data.std(0)).round(6)
    return Patients(rows, found.target, np.arange(len(rows)) % 5 == 0)


@pytest.fixture
def breast_plan(compose_plan: Composer) -> Composer:
    """``breast_plan("rounds=1")`` -> strategy=exact over such hospitals, whose columns are standardised already."""

    def composed(*overrides: str) -> Plan:
        own = (
            "strategy=exact",
            "patience.quorum_sites=1",
            "strategy.tolerance=1e-7",
            "strategy.precision=float64",
        )
        return compose_plan(*words_over(COLUMNS), *own, *overrides, small=False)

    return composed


@dataclass(frozen=True)
class Run:
    outcome: RunOutcome
    ledger: Ledger
    sites: list[Path]
    said: list[Round]

    @property
    def weights(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        shared = self.outcome.shared
        return shared["head.weight"].double().numpy(), shared["head.bias"].double().numpy()


@pytest.fixture
def fit_over(patients: Patients, tmp_path: Path) -> Callable[..., Run]:
    """``fit_over(plan, deal)``: a run over hospitals of which each has the patients at these indices.

    ``tamper`` turns a site's replies, by the site's number, into others.
    """

    def go(plan: Plan, deal: Deal, tamper: dict[int, Tamper] | None = None, release: str = OPEN) -> Run:
        folder = tmp_path / f"dealt-{len(list(tmp_path.iterdir()))}"
        sites = [_hospital(folder / f"site-{k:02}", patients, some, release) for k, some in enumerate(deal)]
        return run_over(plan, sites, tamper)

    return go


@pytest.fixture
def hospital() -> Callable[..., Path]:
    """``hospital(folder, patients, indices, release)``: the site file of one with these patients."""
    return _hospital


@pytest.fixture
def sites(patients: Patients, tmp_path: Path) -> list[Path]:
    """Site files of four hospitals, among which the patients are dealt evenly."""
    dealt = np.array_split(np.arange(len(patients.labels)), 4)
    return [_hospital(tmp_path / f"site-{k}", patients, some, OPEN) for k, some in enumerate(dealt)]


def run_over(plan: Plan, sites: list[Path], tamper: dict[int, Tamper] | None = None) -> Run:
    ledger, said = Ledger(None), list[Round]()
    context = context_over(plan, Tampered(sites, tamper), ledger, progress=said.append)
    return Run(run(context), ledger, sites, said)


def _hospital(folder: Path, patients: Patients, some: NDArray[np.int64], release: str) -> Path:
    names, splits = ("clear", "lesion"), ("train", "val")
    rows = [",".join(f"{number:.6f}" for number in patients.rows[k]) for k in some]
    cases = [(names[patients.labels[k]], f"p{k}", splits[int(patients.is_val[k])]) for k in some]
    return write_hospital(folder, COLUMNS, rows, cases, release)
