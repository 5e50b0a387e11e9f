"""Ten sites whose training does nothing, by one contestant. `trivial.py` runs it as a process of its own.

    python benchmarks/trivial_loop.py ours|flower|ray|bare head|full ROUNDS OUT.json

Each site gives back the arrays that it got; OUT gets the seconds per round.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from plans import plan_of
from torch import Tensor
from trivial_arrays import SITES, named_arrays, seconds_per_round

from fedgraft.common.wire import messages
from fedgraft.common.wire.offer import Offer, pack_offer
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import DistributedBackbone
from fedgraft.server.rounds import loop
from fedgraft.server.rounds import state as server_rounds
from fedgraft.simulations.engine.grid import InProcessGrid

Arrays = Mapping[str, Tensor]
EXAMPLES = 100


def ours(arrays: Arrays, rounds: int) -> list[float]:
    """FedGraft's own loop: every check, the strategy, the ledger."""
    words = ("data=pneumoniamnist", f"partition.sites={SITES}", "loss.weights=local", "decide.unseen=null")
    plan = plan_of(*words, f"rounds={rounds}")
    stamps: list[float] = []
    logging.getLogger("flwr").setLevel(logging.WARNING)  # as `fedgraft simulate` does
    names = [{"name": f"site-{i}"} for i in range(SITES)]
    federation = server_rounds.RunContext(
        delivery=Delivery(InProcessGrid(_our_sites(arrays, plan.digest), names, {})),
        plan=plan,
        backbone=DistributedBackbone({}, "0" * 64),
        initial=dict(arrays),
        ledger=Ledger(None),
        groups=(),
        progress=lambda _: stamps.append(perf_counter()),
    )
    loop.run(federation)
    return stamps


def _our_sites(arrays: Arrays, digest: str) -> ClientApp:
    """What `fedgraft.client` does with a message, without a cohort and without training."""
    app, specs = ClientApp(), messages.specs_of(arrays)

    @app.query("prepare")
    def prepare(message: Message, context: Context) -> Message:
        name = str(context.node_config["name"])
        return Message(pack_offer(Offer(name, digest, True, EXAMPLES, None)), reply_to=message)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        name, order = str(context.node_config["name"]), messages.unpack_order(message.content)
        received = messages.unpack_tensors(messages.unpack_arrays(message.content, messages.ARRAYS), specs)
        update = messages.Update(name, digest, order.round, received, EXAMPLES, None, {})
        return Message(messages.pack_update(update), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        name, order = str(context.node_config["name"]), messages.unpack_order(message.content)
        return Message(messages.pack_answer(name, digest, order.round, {}), reply_to=message)

    return app


plain_sites, plain_server = ClientApp(), ServerApp()


@plain_sites.train()
def give_back(message: Message, context: Context) -> Message:
    state = message.content.array_records["arrays"].to_torch_state_dict()  # what a site of any Flower app does first
    content = RecordDict({"arrays": ArrayRecord(state), "metrics": MetricRecord({"num-examples": EXAMPLES})})
    return Message(content, reply_to=message)


def start_strategy(grid: Grid, arrays: Arrays, rounds: int) -> list[float]:
    """Flower's own loop."""
    stamps: list[float] = []

    def stamp(server_round: int, record: ArrayRecord) -> None:
        stamps.append(perf_counter())

    logging.getLogger("flwr").setLevel(logging.ERROR)
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=SITES, min_available_nodes=SITES)
    strategy.start(grid, ArrayRecord(dict(arrays)), num_rounds=rounds, evaluate_fn=stamp)
    return stamps


def flower(arrays: Arrays, rounds: int) -> list[float]:
    """Flower's own loop over our grid: what is left is our own checking and bookkeeping."""
    return start_strategy(InProcessGrid(plain_sites, [{} for _ in range(SITES)], {}), arrays, rounds)


@plain_server.main()
def on_ray(grid: Grid, context: Context) -> None:
    stamps = start_strategy(grid, named_arrays(os.environ["ARRAYS"]), int(os.environ["ROUNDS"]))
    Path(os.environ["STAMPS"]).write_text(json.dumps(stamps), encoding="utf-8")


def ray(arrays: Arrays, rounds: int) -> list[float]:
    """The same app on Flower's Ray simulation, one processor an actor."""
    from flwr.simulation import run_simulation
    from trivial_loop import plain_server as server  # by its module's name, so that actors import it
    from trivial_loop import plain_sites as sites

    os.environ.update(ARRAYS=sys.argv[2], ROUNDS=str(rounds), STAMPS=f"{sys.argv[4]}.stamps")
    run_simulation(server, sites, SITES, backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}})
    stamps: list[float] = json.loads(Path(os.environ["STAMPS"]).read_text(encoding="utf-8"))
    return stamps


def bare(arrays: Arrays, rounds: int) -> list[float]:
    """A weighted mean in place: the arithmetic that a round can't do without."""
    shared = {name: tensor.numpy().copy() for name, tensor in arrays.items()}
    updates = [{name: array.copy() for name, array in shared.items()} for _ in range(SITES)]
    part = {name: np.empty_like(array) for name, array in shared.items()}
    stamps = [perf_counter()]
    for _ in range(rounds):
        for name, mean in shared.items():
            mean.fill(0)
            for update in updates:
                np.multiply(update[name], np.float32(1 / SITES), out=part[name])
                mean += part[name]
        stamps.append(perf_counter())
    return stamps


CONTESTANTS: dict[str, Callable[[Arrays, int], list[float]]] = {
    "ours": ours,
    "flower": flower,
    "ray": ray,
    "bare": bare,
}


def main(contestant: str, kind: str, rounds: int, out: Path) -> None:
    torch.set_num_threads(1)
    stamps = CONTESTANTS[contestant](named_arrays(kind), rounds)
    out.write_text(json.dumps(seconds_per_round(stamps)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
