"""The reference work in NVFLARE's simulator (`pip install nvflare torch timm`), with its FedAvg and its Client API.

    PEERS_PYTHON benchmarks/plain_nvflare.py HANDOUT ROUNDS OUT.json [THREADS]

`plain_nvflare_site.py` is what runs at a site. THREADS: sites that run at a time, by default all:
with fewer, the simulator starts a process, and imports torch, for each site in each round.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import plain
import torch
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob
from nvflare.job_config.script_runner import ScriptRunner


class ScoredFedAvg(FedAvg):
    """NVFLARE's FedAvg; where it would save the model of a round, it scores it on the test set instead."""

    def __init__(self, handout: str, out: str, num_clients: int, num_rounds: int) -> None:
        head = {name: tensor.numpy() for name, tensor in plain.new_head().state_dict().items()}
        super().__init__(num_clients=num_clients, num_rounds=num_rounds, persistor_id="", model=head)
        self.handout, self.out = handout, out
        self.scores: list[float] = []
        self.network: plain.Network | None = None

    def save_model(self, model: FLModel) -> None:
        if self.network is None:
            self.network = plain.Network(plain.frozen_backbone(Path(self.handout)), plain.new_head())
            self.images, self.labels = plain.load_test(Path(self.handout))
        self.network.head.load_state_dict({name: torch.as_tensor(array) for name, array in model.params.items()})
        self.scores.append(plain.test_auroc(self.network, self.images, self.labels))
        Path(self.out).write_text(json.dumps(self.scores), encoding="utf-8")


def main(handout: Path, rounds: int, out: Path, threads: int) -> None:
    names = plain.site_names(handout)
    job = FedJob(name="reference")
    job.to_server(ScoredFedAvg(str(handout), str(out), len(names), rounds))
    script = str(Path(__file__).with_name("plain_nvflare_site.py"))
    for name in names:
        job.to(ScriptRunner(script=script, script_args=f"{handout} {name}"), name)
    with tempfile.TemporaryDirectory() as workspace:
        job.simulator_run(workspace, threads=threads, log_config="concise")


if __name__ == "__main__":
    from plain_nvflare import main as run  # by its module's name: NVFLARE copies the file that a class is from

    run(
        Path(sys.argv[1]).resolve(),
        int(sys.argv[2]),
        Path(sys.argv[3]).resolve(),
        int(sys.argv[4]) if len(sys.argv) > 4 else len(plain.site_names(Path(sys.argv[1]))),
    )
