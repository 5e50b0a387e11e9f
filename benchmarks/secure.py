"""What secure sums cost beside the same answers in the clear: bytes, and time with all sites in one process.

python benchmarks/secure.py [SITES ...]

The default head (2,562 numbers) and evaluations of 40 cases; sites answer without training, so that only packing,
masks, keys and shares are timed, each mask at both of its ends. In a last round 30 % of the sites are lost after all
have shared their keys.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from flwr.app import Context, Error, Message
from plans import plan_of

from fedgraft.client.secure.vault import InMemory
from fedgraft.client.secure.way import sealed, take_step
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan
from fedgraft.common.secure.neighbours import default_share, degree_of, threshold_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.offer import Offer
from fedgraft.common.wire.summed.steps import STEP
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.hearing import Answer, Hear, each_for_itself
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.secure.hearing import SecureHearing
from fedgraft.simulations.engine.grid import InProcessGrid

ROUNDS, CASES = 5, 100
HEAD = {"head.weight": (2, 1280), "head.bias": (2,)}


class Sites:
    """Answers for all sites, each with an update of its own, and keeps what they remember."""

    def __init__(self, plan: Plan, folder: Path, number: int) -> None:
        self._plan, self.lost = plan, set[int]()
        self._files = [SiteFile(f"site-{k:04}", folder, folder / f"{k:04}") for k in range(number)]
        self._vaults = {site.state: InMemory() for site in self._files}
        for site in self._files:
            site.state.mkdir()
        rng, task = np.random.default_rng(0), tasks.of(plan.data)
        outputs, labels = rng.normal(size=(40 * number, 2)), rng.integers(0, 2, 40 * number)
        found = task.evaluate_parts(outputs, labels, [40] * number)
        self._answers = [
            messages.pack_update(
                messages.Update(
                    site.name,
                    plan.digest,
                    1,
                    {name: torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for name, shape in HEAD.items()},
                    CASES,
                    0.5,
                    {"val": one, "test": one},
                )
            )
            for site, one in zip(self._files, found, strict=True)
        ]

    def site(self, path: Path) -> SiteFile:
        return self._files[int(path.name)]

    def plan(self, site: SiteFile, digest: str) -> Plan:
        return self._plan

    def vault(self, site: SiteFile) -> InMemory:
        return self._vaults[site.state]

    def __call__(self, message: Message, context: Context) -> Message:
        place, kind = int(str(context.node_config["partition-id"])), message.metadata.message_type
        if place in self.lost:
            return Message(Error(5), reply_to=message)
        if kind == STEP:
            return Message(take_step(message.content, self, Path(str(place)), 1), reply_to=message)
        answer = self._answers[place]
        return Message(sealed(kind, message.content, answer, self, Path(str(place)), 1), reply_to=message)


def main() -> None:
    print(
        "sites  neighbours  threshold |  bytes a site and round: clear  secure  ratio | "
        "processor seconds a round: clear  secure  more"
    )
    for number in [int(word) for word in sys.argv[1:]] or [10, 100, 1000]:
        with tempfile.TemporaryDirectory(prefix="fedgraft-secure-") as clear, tempfile.TemporaryDirectory() as masked:
            one, other = measured(number, False, Path(clear)), measured(number, True, Path(masked))
        share = default_share(number)
        degree = degree_of(number, share)
        print(
            f"{number:5}  {degree:10}  {threshold_of(degree + 1, share):9} | {one[0]:29,.0f}  {other[0]:6,.0f}  "
            f"{other[0] / one[0]:5.2f} | {one[1]:22.3f}  {other[1]:6.3f}  {other[1] - one[1]:.3f}; the first "
            f"{other[2]:.3f}; with 30 % lost {other[3]:.3f}"
        )


def measured(number: int, secure: bool, folder: Path) -> tuple[float, float, float, float]:
    """Bytes up and down of a site in a round; seconds of a round, of the first one, and of one with 30 % lost."""
    plan = plan_of(*(("aggregation=secure",) if secure else ()))
    sites, ledger = Sites(plan, folder, number), Ledger(None)
    configs = [{"partition-id": str(place)} for place in range(number)]
    delivery = Delivery(InProcessGrid(sites, configs, {}))  # type: ignore[arg-type]
    nodes = delivery.nodes()
    roster = {node: Offer(f"site-{k:04}", plan.digest, True, CASES, None) for k, node in enumerate(nodes)}
    hear: Hear = SecureHearing(delivery, plan, ledger, {}) if secure else each_for_itself(delivery, {})
    received = {name: torch.zeros(shape) for name, shape in HEAD.items()}
    seconds = []
    for round_ in range(1, ROUNDS + 2):
        sites.lost = set(range(number * 3 // 10)) if round_ == ROUNDS + 1 else set()
        question = messages.pack_evaluate(received, plan.digest, round_)
        begun = time.process_time()
        heard = hear([Message(question, node, messages.TRAIN) for node in nodes], roster, round_, "train")
        seconds.append(time.process_time() - begun)
        require_sum(heard, secure, number - len(sites.lost))
        for one in heard:
            ledger.write(*one.lines(round_, "train", one, messages.count_bytes(question)))
    carried = [sum(ledger.round_bytes(round_)) / number for round_ in range(2, ROUNDS + 1)]
    return statistics.mean(carried), statistics.median(seconds[1:ROUNDS]), seconds[0], seconds[-1]


def require_sum(heard: list[Answer], secure: bool, stayed: int) -> None:
    good = [one for one in heard if one.refused is None and one.reply is not None and not one.reply.has_error()]
    assert len(good) == (1 if secure else stayed) and sum(len(one.sites) for one in good) == stayed


if __name__ == "__main__":
    main()
