"""The reference work as a Flower app, as Flower's own PyTorch examples are written, run by Flower's Ray simulation.

    python benchmarks/plain_flower.py HANDOUT ROUNDS OUT.json [CPUS]

A site's message carries the head alone (as little as a user could send). Each actor loads the backbone and a site's
images once and keeps them; the frozen backbone runs for every batch. CPUS: of each actor, 1 by default.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path

import plain
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from torch import Tensor

client_app, server_app = ClientApp(), ServerApp()


@cache
def network(handout: str) -> plain.Network:
    return plain.Network(plain.frozen_backbone(Path(handout)), plain.new_head())


@cache
def site(handout: str, name: str) -> tuple[Tensor, Tensor]:
    return plain.load_site(Path(handout), name)


@client_app.train()
def train(message: Message, context: Context) -> Message:
    config = message.content.config_records["config"]
    handout, server_round = str(config["handout"]), int(str(config["server-round"]))
    torch.set_num_threads(int(str(config["threads"])))
    name = plain.site_names(Path(handout))[int(context.node_config["partition-id"])]
    model, (x, y) = network(handout), site(handout, name)
    model.head.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    plain.train_epoch(model, model.head, x, y, plain.batches(name, server_round, len(y)))
    metrics = MetricRecord({"num-examples": len(y)})
    content = RecordDict({"arrays": ArrayRecord(model.head.state_dict()), "metrics": metrics})
    return Message(content, reply_to=message)


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    handout, rounds, out = Path(os.environ["HANDOUT"]), int(os.environ["ROUNDS"]), Path(os.environ["OUT"])
    sites = len(plain.site_names(handout))
    model, (images, labels) = network(str(handout)), plain.load_test(handout)
    scores: list[float] = []

    def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        model.head.load_state_dict(arrays.to_torch_state_dict())
        scores.append(plain.test_auroc(model, images, labels))
        return MetricRecord({"auroc": scores[-1]})

    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=sites, min_available_nodes=sites)
    strategy.start(
        grid,
        ArrayRecord(model.head.state_dict()),
        num_rounds=rounds,
        train_config=ConfigRecord({"handout": str(handout), "threads": int(os.environ["CPUS"])}),
        evaluate_fn=evaluate,
    )
    out.write_text(json.dumps(scores[1:]), encoding="utf-8")


if __name__ == "__main__":
    from flwr.simulation import run_simulation
    from plain_flower import (
        client_app as clients,
    )  # by its module's name: actors then import it, and keep what it keeps
    from plain_flower import server_app as server

    cpus = sys.argv[4] if len(sys.argv) > 4 else "1"
    os.environ.update(HANDOUT=str(Path(sys.argv[1]).resolve()), ROUNDS=sys.argv[2], OUT=sys.argv[3], CPUS=cpus)
    run_simulation(
        server,
        clients,
        len(plain.site_names(Path(sys.argv[1]))),
        backend_config={"client_resources": {"num_cpus": int(cpus)}},
    )
