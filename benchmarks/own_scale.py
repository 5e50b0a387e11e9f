"""How many cases a hospital that never trained needs for a scale of its own (``features.scale=own``, ``shrink``).

    FEDGRAFT_DATA=... python benchmarks/own_scale.py [--draws 5] [--ridge 0.1] [overrides...]

Each hospital of breast_us in turn is left out: a logistic regression (scikit-learn, class-weighted) is fitted to the
others, each in its own scale; the hospital's own mean and deviation come from n of its cases, drawn at random and
without their labels, drawn towards the others' by ``shrink``. AUROC over its other cases, mean over hospitals and
draws; ``common``: everyone in the common scale of those that trained, which is what a hospital without any case has.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import measure
import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor

from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common.features.moments import Moments, drawn_to, moments_of, pooled
from fedgraft.common.features.scale import deviation_of, standardised
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.api import plan as plan_of
from fedgraft.simulations.federation.sites import cache_folder, lay_out

CASES, SHRINKS = (5, 10, 20, 50, 100), (0.0, 5.0, 20.0)
Hospitals = dict[str, tuple[Tensor, Tensor]]


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--draws", type=int, default=5, help="of the cases that make the scale (5)")
    parser.add_argument("--ridge", type=float, default=0.1, help="of the regression: mean loss + ridge / 2 |w|^2 (0.1)")
    parser.add_argument("overrides", nargs="*", help="for the plan, for instance features.statistics=[mean,deviation]")
    given = parser.parse_args()
    plan = plan_of("data=breast_us", "features=taps", "features.scale=own", *given.overrides).plan
    hospitals = features(plan)
    found: dict[tuple[str, float], list[float]] = {}
    for name in track(hospitals, "hospitals"):
        for key, value in left_out(name, hospitals, given.draws, given.ridge).items():
            found.setdefault(key, []).append(value)
    show(found)


def features(plan: Plan) -> Hospitals:
    """By hospital: features ``(N, F)``, not scaled, and labels ``(N,)``."""
    model = build(plan, None, plan.engine.trusted)
    store = Store(cache_folder(os.environ) / "kept")
    context = InputContext(plan, plan.engine.trusted, store, workers=1)
    inputs = factory_of(context.kind, context.trusted).inputs(context)
    machine = choose("cpu", plan.engine.threads, plan.engine.workers, plan.engine.batch)
    extractor = FeatureExtractor(plan, model, model.backbone_name, inputs, store, machine)
    found: Hospitals = {}
    with tempfile.TemporaryDirectory() as scratch:
        sites = lay_out(plan, Path(scratch), os.environ).sites
        for name, file in sites.items():
            examples = extractor.examples(accept_whole(read_manifest(file.parent / "manifest.csv"), plan, inputs))
            found[name] = (examples.inputs.clone(), examples.labels)
    return found


def left_out(name: str, hospitals: Hospitals, draws: int, ridge: float) -> dict[tuple[str, float], float]:
    """AUROC at a hospital that the others did not train with, by how its scale is made and ``shrink``."""
    others = {site: moments_of(rows) for site, (rows, _) in hospitals.items() if site != name}
    common = pooled(list(others.values()))
    labels = torch.cat([hospitals[site][1] for site in others]).numpy()
    own = fitted(torch.cat([scaled(hospitals[site][0], others[site]) for site in others]), labels, ridge)
    alike = fitted(torch.cat([scaled(hospitals[site][0], common) for site in others]), labels, ridge)
    rows, truth = hospitals[name]
    found = {("common", 0.0): auroc(alike, scaled(rows, common), truth)}
    found["all", 0.0] = auroc(own, scaled(rows, moments_of(rows)), truth)
    for count in CASES:
        for shrink in SHRINKS:
            values = []
            for draw in range(draws):
                order = torch.from_numpy(np.random.default_rng(draw).permutation(len(rows)))
                moments = drawn_to(moments_of(rows[order[:count]]), common, shrink)
                rest = order[count:]
                values.append(auroc(own, scaled(rows[rest], moments), truth[rest]))
            found[str(count), shrink] = float(np.mean(values))
    return found


def scaled(rows: Tensor, moments: Moments) -> Tensor:
    return standardised(rows, moments.mean.float(), deviation_of(moments.variance).float())


def fitted(rows: Tensor, labels: np.ndarray, ridge: float) -> LogisticRegression:
    model = LogisticRegression(C=1 / (ridge * len(rows)), class_weight="balanced", max_iter=2000)
    return model.fit(rows.numpy(), labels)


def auroc(model: LogisticRegression, rows: Tensor, labels: Tensor) -> float:
    return float(roc_auc_score(labels.numpy(), model.decision_function(rows.numpy())))


def show(found: dict[tuple[str, float], list[float]]) -> None:
    table = Table("cases for the scale", *(f"shrink {shrink:g}" for shrink in SHRINKS))
    for count in (*map(str, CASES), "all"):
        cells = [found.get((count, shrink)) for shrink in SHRINKS]
        table.add_row(count, *("" if cell is None else f"{np.mean(cell):.3f}" for cell in cells))
    table.add_row("none (common)", f"{np.mean(found['common', 0.0]):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
