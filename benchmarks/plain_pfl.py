"""The reference work in Apple's pfl (`pip install pfl torch timm`), after its own PyTorch benchmarks.

    PEERS_PYTHON benchmarks/plain_pfl.py HANDOUT ROUNDS OUT.json

One process, sites one after another; the frozen backbone runs for every batch, and for the test set in every round.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import plain
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm import FederatedAveraging, NNAlgorithmParams
from pfl.callback.base import TrainingProcessCallback
from pfl.data import FederatedDataset, get_user_sampler
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Metrics
from pfl.model.pytorch import PyTorchModel
from torch import Tensor


class PflNetwork(plain.Network):
    """pfl asks the module itself for its loss and its metrics."""

    def loss(self, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        return plain.weighted_loss(self(images), labels, weights)

    def metrics(self, images: Tensor, labels: Tensor) -> dict[str, Any]:
        return {}


class Auroc(TrainingProcessCallback[PyTorchModel]):
    """Scores the central model after each iteration."""

    def __init__(self, handout: Path) -> None:
        self.images, self.labels = plain.load_test(handout)
        self.scores: list[float] = []

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: PyTorchModel, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        self.scores.append(plain.test_auroc(model.pytorch_model, self.images, self.labels))
        return False, Metrics()


def federated(handout: Path) -> FederatedDataset:
    """Each site once a round, its cases in the plan's order of that round."""
    names = plain.site_names(handout)
    sites = {name: plain.load_site(handout, name) for name in names}
    rounds = dict.fromkeys(names, 0)

    def dataset(name: str) -> PyTorchTensorDataset:
        rounds[name] += 1
        x, y = sites[name]
        order = torch.cat(plain.batches(name, rounds[name], len(y)))
        return PyTorchTensorDataset(
            (x[order], y[order]), user_id=name, train_kwargs={"weights": plain.class_weights(y)}
        )

    return FederatedDataset(dataset, get_user_sampler("minimize_reuse", names))


def main(handout: Path, rounds: int, out: Path) -> None:
    network = PflNetwork(plain.frozen_backbone(handout), plain.new_head())
    model = PyTorchModel(
        network,
        lambda _, lr: torch.optim.SGD(network.head.parameters(), lr, plain.MOMENTUM),
        torch.optim.SGD(network.head.parameters(), 1.0),
    )
    data, auroc = federated(handout), Auroc(handout)
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds,
            evaluation_frequency=rounds + 1,
            train_cohort_size=len(plain.site_names(handout)),
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(data, data, postprocessors=[WeightByDatapoints()]),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1, local_learning_rate=plain.LR, local_batch_size=plain.BATCH
        ),
        callbacks=[auroc],
    )
    out.write_text(json.dumps(auroc.scores), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
