"""Ten sites whose training does nothing, in Apple's pfl. `trivial.py --peers` runs it as a process of its own.

PEERS_PYTHON benchmarks/trivial_pfl.py head|full ROUNDS OUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

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
from torch import Tensor, nn
from trivial_arrays import SITES, named_arrays, seconds_per_round


class Arrays(nn.Module):
    """Nothing but parameters."""

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        self.arrays = nn.ParameterList(arrays.values())

    def loss(self, cases: Tensor) -> Tensor:
        raise NotImplementedError("nothing is trained")

    def metrics(self, cases: Tensor) -> dict[str, Any]:
        return {}


class Stamps(TrainingProcessCallback[PyTorchModel]):
    """Reads the clock after each iteration."""

    def __init__(self) -> None:
        self.stamps = [perf_counter()]

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: PyTorchModel, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        self.stamps.append(perf_counter())
        return False, Metrics()


def main(kind: str, rounds: int, out: Path) -> None:
    torch.set_num_threads(1)
    module = Arrays(named_arrays(kind))
    names = [f"site-{i}" for i in range(SITES)]
    cases = torch.zeros(100, 1)
    data = FederatedDataset(
        lambda name: PyTorchTensorDataset((cases,), user_id=name), get_user_sampler("minimize_reuse", names)
    )
    stamps = Stamps()
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds, evaluation_frequency=rounds + 1, train_cohort_size=SITES, val_cohort_size=0
        ),
        backend=SimulatedBackend(data, data, postprocessors=[WeightByDatapoints()]),
        model=PyTorchModel(module, torch.optim.SGD, torch.optim.SGD(module.parameters(), 1.0)),
        model_train_params=NNTrainHyperParams(local_num_epochs=0, local_learning_rate=0.1, local_batch_size=None),
        callbacks=[stamps],
    )
    out.write_text(json.dumps(seconds_per_round(stamps.stamps)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
