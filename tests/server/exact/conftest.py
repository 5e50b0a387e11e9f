"""Hospitals with the rows of scikit-learn's breast cancer table, dealt in any way, and a whole run over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import distributed
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import Round, RunContext, RunOutcome
from fedgraft.simulations.engine.grid import InProcessGrid

Composer = Callable[..., Plan]
Deal = Sequence[NDArray[np.int64]]
Tamper = Callable[[Message, Message], Message]
COLUMNS = tuple(f"x{number}" for number in range(30))
RUN = 1


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
        numbers = {"means": 0.0, "deviations": 1.0}
        filled = [f"+table.{name}={{{', '.join(f'{c}: {v}' for c in COLUMNS)}}}" for name, v in numbers.items()]
        table = (
            f"+table={{numeric: [{', '.join(COLUMNS)}], categorical: [], missing: [], indicate_missing: false, "
            "statistics: plan, min_count: 1}"
        )
        base = ("data.image_size=null", "backbone=identity", "head=plain", "engine.threads=1", table, *filled)
        own = (
            "strategy=exact",
            "strategy.min_sites=1",
            "strategy.tolerance=1e-7",
            "strategy.precision=float64",
            "loss.weights=none",
        )
        split = ("data.test=given", "data.val_fraction=0", "data.test_fraction=0")
        return compose_plan(*base, *own, *split, *overrides, small=False)

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

    def go(plan: Plan, deal: Deal, tamper: dict[int, Tamper] | None = None, release: str = "") -> Run:
        folder = tmp_path / f"dealt-{len(list(tmp_path.iterdir()))}"
        sites = [_hospital(folder / f"site-{k:02}", patients, some, release) for k, some in enumerate(deal)]
        return run_over(plan, sites, tamper)

    return go


def run_over(plan: Plan, sites: list[Path], tamper: dict[int, Tamper] | None = None) -> Run:
    app, changed = client_app.build(client_app.MessageHandler(Workspace(), sites)), tamper or {}

    def answer(message: Message, context: Context) -> Message:
        reply = app(message, context)
        index = int(str(context.node_config["partition-id"]))
        return changed[index](message, reply) if index in changed else reply

    client: ClientApp = answer  # type: ignore[assignment]
    nodes: Any = [{"partition-id": index} for index in range(len(sites))]
    model, ledger, said = build(plan, None), Ledger(None), list[Round]()
    backbone = distributed(model)
    shared = model.tensors(model.received)
    grid = InProcessGrid(client, nodes, {})
    context = RunContext(grid, plan, backbone, shared, ledger, model.groups, progress=said.append)
    return Run(run(context), ledger, sites, said)


def _hospital(folder: Path, patients: Patients, some: NDArray[np.int64], release: str) -> Path:
    folder.mkdir(parents=True)
    names = ["lesion" if label else "clear" for label in patients.labels]
    rows = [",".join(f"{number:.6f}" for number in patients.rows[k]) for k in some]
    (folder / "table.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    split = ["val" if is_val else "train" for is_val in patients.is_val]
    cases = [f"table.csv,{row},{names[k]},p{k},{split[k]}" for row, k in enumerate(some)]
    (folder / "manifest.csv").write_text("\n".join(["path,row,label,patient,split", *cases]) + "\n", encoding="utf-8")
    site = f"name: {folder.name}\nmanifest: manifest.csv\nstate: state\ndevice: cpu\nthreads: 1\n{release}"
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    return folder / "site.yaml"
