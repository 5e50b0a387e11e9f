"""Which steps, clip and jitter of ``privacy=record`` suit phantom hospitals: how its defaults are chosen.

    FEDGRAFT_CACHE=... python benchmarks/private_defaults.py [--cases 500] [--seeds 0 1 2] [--epsilons 8 3 1 0.5]

Films of eight phantom hospitals, which nobody ever had, so that a choice by them costs no budget. Features of every
depth, scaled as ``case_common`` scales them but for the noise of the moments. For each choice the head is taken through
the noisy steps of a run (`fedgraft.simulations.audit.shadows.private`), noise shared by the hospitals, on training
cases; shown is the mean AUROC over hospitals on their validation cases, over seeds of films and draws of noise.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping

import numpy as np
import torch
from plans import plan_of
from shift_fitted import Site, scaler, sites_of
from sklearn.metrics import roc_auc_score
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.losses.suitability import built
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.audit.shadows.private import noisy
from fedgraft.simulations.audit.shadows.recipe import noisy_steps

FILMS = ("data=phantom", "data.sites=8", "data.size=64", "data.image_size=64")
PRIVATE = ("privacy=record", "aggregation=secure", "aggregation.threshold=0.9", "data.val_fraction=0")
STEPS, CLIPS, JITTERS = (50, 100, 200), (0.1, 0.3, 1.0), (0.75, 1.5, 3.0)
Choice = tuple[int, float, float]
DRAWS = 3


class Films:
    """Scaled features of phantom hospitals: those that train, of all, and those that judge, of each."""

    def __init__(self, cases: int, seed: int) -> None:
        words = (f"data.cases={cases}", f"seed={seed}", "data.val_fraction=0.3", "data.test_fraction=0.05")
        plan = plan_of(*FILMS, *words, "features=taps", "features.scale=case", "head=plain", "engine.threads=1")
        sites = sites_of(plan)
        scale = scaler(plan, sites, [*sites])
        trains = torch.cat([scale.at(name, site.train[0]) for name, site in sites.items()]).double()
        self._mean, self._deviation = trains.mean(dim=0), trains.std(dim=0).clamp(min=1e-6)
        self.inputs = self._standardised(trains)
        self.labels = torch.from_numpy(np.concatenate([site.train[1] for site in sites.values()]))
        self.judges = [self._judge(scale.at(name, site.part("val")[0]), site) for name, site in sites.items()]

    def _standardised(self, rows: Tensor) -> Tensor:
        return ((rows.double() - self._mean) / self._deviation).float()

    def _judge(self, rows: Tensor, site: Site) -> tuple[Tensor, np.ndarray]:
        return self._standardised(rows), site.part("val")[1]


def auroc(films: Films, plan: Plan, seed: int) -> float:
    """Of the head that a run's noisy steps reach, the mean over hospitals."""
    count = len(films.labels)
    counts = tasks.of(plan.data).count(films.labels)
    loss = built(plan, counts if plan.loss.weights != "none" else None, None, plan.engine.trusted)
    generator, everyone = torch.Generator().manual_seed(seed), torch.ones(1, count, dtype=torch.bool)
    how = noisy_steps(plan, len(films.judges))
    head = noisy(films.inputs, films.labels, torch.arange(count), everyone, loss, how, generator)
    outputs = [head.outputs(rows)[0] for rows, _ in films.judges]
    scores = [(some[:, 1] - some[:, 0]).numpy() for some in outputs]
    return float(np.mean([roc_auc_score(truth, some) for some, (_, truth) in zip(scores, films.judges, strict=True)]))


def measured(films: Mapping[int, Films], epsilon: float) -> dict[Choice, list[float]]:
    found: dict[Choice, list[float]] = {}
    for choice in itertools.product(STEPS, CLIPS, JITTERS):
        named = zip(("steps", "clip", "jitter"), choice, strict=True)
        plan = plan_of(
            *FILMS, *PRIVATE, f"privacy.epsilon={epsilon}", *(f"privacy.{name}={one}" for name, one in named)
        )
        found[choice] = [auroc(of, plan, 10 * seed + draw) for seed, of in films.items() for draw in range(DRAWS)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, help="films of each of the eight hospitals")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[8.0, 3.0, 1.0, 0.5])
    given = parser.parse_args()
    torch.set_num_threads(1)
    films = {seed: Films(given.cases, seed) for seed in given.seeds}
    print(f"training cases: {[len(of.labels) for of in films.values()]}, numbers a case: {films[0].inputs.shape[1]}")
    by_epsilon = {epsilon: measured(films, epsilon) for epsilon in given.epsilons}
    print("| steps | clip | jitter | " + " | ".join(f"epsilon {one:g}" for one in by_epsilon) + " | mean |")
    print("|" + "---|" * (4 + len(by_epsilon)))
    rows = [
        (choice, [np.mean(found[choice]) for found in by_epsilon.values()])
        for choice in next(iter(by_epsilon.values()))
    ]
    for choice, figures in sorted(rows, key=lambda row: -float(np.mean(row[1]))):
        print("| " + " | ".join([*map(str, choice), *(f"{one:.4f}" for one in (*figures, np.mean(figures)))]) + " |")


if __name__ == "__main__":
    main()
