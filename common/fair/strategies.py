"""q-FFL and group DRO as Flower strategies, over the mean training losses that sites tell with their updates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, ClassVar

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord
from pydantic import Field

from fedgraft.common.fair.weights import Numbers, at_most, group_dro, q_ffl
from fedgraft.common.interfaces.strategy import LOSS
from fedgraft.common.plan.types import NotNegative, Positive
from fedgraft.common.robust.products import Products
from fedgraft.common.robust.strategies import RobustMean

_SMALLEST = 1e-10
AtLeastOne = Annotated[float, Field(ge=1)]


class LossWeighted(RobustMean):
    """What was sent, and the updates that came, each times a coefficient that follows from the sites' losses.

    Args:
        most: how many times the median loss counts at most, so that a site that lies has a limit.
        flower: as Flower's FedAvg takes them.
    """

    needs_losses: ClassVar[bool] = True

    def __init__(self, most: AtLeastOne, fraction_train: float, min_train_nodes: int, min_available_nodes: int) -> None:
        super().__init__(fraction_train, min_train_nodes, min_available_nodes)
        self.most = most
        self.losses: list[float] = []
        self.nodes: list[int] = []

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        told = list(replies)
        self.losses = [float(next(iter(one.content.metric_records.values()))[LOSS]) for one in told]  # type: ignore[arg-type]
        self.nodes = [one.metadata.src_node_id for one in told]
        return super().aggregate_train(server_round, told)

    def find(self, products: Products, cases: Numbers) -> Numbers:
        losses = at_most(np.maximum(np.array(self.losses), _SMALLEST), self.most)
        return self.weigh(losses, products, cases)

    @abstractmethod
    def weigh(self, losses: Numbers, products: Products, cases: Numbers) -> Numbers:
        """The coefficient of each update."""


class QFFL(LossWeighted):
    """`q_ffl`: the larger a site's loss, the more it weighs.

    Args:
        q: 0 is FedAvg; the larger, the more the worst sites count.
        rate: as `q_ffl` takes it.
        most, flower: as `LossWeighted`.
    """

    def __init__(
        self,
        *,
        q: NotNegative,
        rate: Positive | None,
        most: AtLeastOne,
        fraction_train: float,
        min_train_nodes: int,
        min_available_nodes: int,
    ) -> None:
        super().__init__(most, fraction_train, min_train_nodes, min_available_nodes)
        self.q, self.rate = q, rate

    def weigh(self, losses: Numbers, products: Products, cases: Numbers) -> Numbers:
        return q_ffl(losses, cases, np.maximum(np.diag(products), 0.0), self.q, self.rate)


class GroupDRO(LossWeighted):
    """`group_dro`: each site is a group, whatever its number of cases, and its weight grows with its losses of all
    rounds.

    Args:
        rate: of the weights.
        largest: no site weighs more, as far as there are enough.
        most, flower: as `LossWeighted`.
    """

    def __init__(
        self,
        *,
        rate: Positive,
        largest: Annotated[float, Field(gt=0, le=1)],
        most: AtLeastOne,
        fraction_train: float,
        min_train_nodes: int,
        min_available_nodes: int,
    ) -> None:
        super().__init__(most, fraction_train, min_train_nodes, min_available_nodes)
        self.rate, self.largest = rate, largest
        self.weights: dict[int, float] = {}

    def weigh(self, losses: Numbers, products: Products, cases: Numbers) -> Numbers:
        """A node that comes for the first time begins at the mean weight of those that are known."""
        usual = float(np.mean([*self.weights.values()])) if self.weights else 1.0
        before = np.array([self.weights.get(node, usual) for node in self.nodes])
        found = group_dro(before / before.sum(), losses, self.rate, self.largest)
        self.weights |= dict(zip(self.nodes, (found * before.sum()).tolist(), strict=True))
        return found
