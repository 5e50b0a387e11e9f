"""The geometric median and centered clipping as Flower strategies: a site weighs by its cases, as in FedAvg."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from pydantic import Field

from fedgraft.common.plan.types import Count, Positive
from fedgraft.common.robust.coefficients import Coefficients, centered_clipping, geometric_median
from fedgraft.common.robust.products import Products, inner_products


class RobustMean(FedAvg):
    """What was sent, and the updates that came, each times a coefficient; in float64. (A subclass, as Flower asks for
    one; those below only say how coefficients are found.)

    Args:
        flower: as Flower's FedAvg takes them.
    """

    def __init__(self, fraction_train: float, min_train_nodes: int, min_available_nodes: int) -> None:
        super().__init__(fraction_train, 1.0, min_train_nodes, 1, min_available_nodes)
        self.sent = ArrayRecord()

    @abstractmethod
    def find(self, products: Products, cases: Coefficients) -> Coefficients:
        """The coefficient of each update, given their inner products and cases."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self.sent = arrays
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return _robust_mean(self, self.sent, [reply.content for reply in replies])


class GeometricMedian(RobustMean):
    """`geometric_median` of the updates.

    Args:
        iterations: of Weiszfeld's algorithm.
        smoothing: distances below this share of the median update's norm count as that.
        flower: as Flower's FedAvg takes them.
    """

    def __init__(
        self,
        *,
        iterations: Count,
        smoothing: Annotated[float, Field(gt=0, lt=1)],
        fraction_train: float,
        min_train_nodes: int,
        min_available_nodes: int,
    ) -> None:
        super().__init__(fraction_train, min_train_nodes, min_available_nodes)
        self.iterations, self.smoothing = iterations, smoothing

    def find(self, products: Products, cases: Coefficients) -> Coefficients:
        return geometric_median(products, cases, iterations=self.iterations, smoothing=self.smoothing)


class CenteredClipping(RobustMean):
    """`centered_clipping` of the updates.

    Args:
        iterations: how often the centre is moved.
        radius: in parts of the median update's norm.
        flower: as Flower's FedAvg takes them.
    """

    def __init__(
        self,
        *,
        iterations: Count,
        radius: Positive,
        fraction_train: float,
        min_train_nodes: int,
        min_available_nodes: int,
    ) -> None:
        super().__init__(fraction_train, min_train_nodes, min_available_nodes)
        self.iterations, self.radius = iterations, radius

    def find(self, products: Products, cases: Coefficients) -> Coefficients:
        return centered_clipping(products, cases, iterations=self.iterations, radius=self.radius)


def _robust_mean(
    strategy: RobustMean, sent: ArrayRecord, replies: Sequence[RecordDict]
) -> tuple[ArrayRecord, MetricRecord]:
    """What was sent, and the updates that came, each times its coefficient; float64."""
    before = {name: array.numpy() for name, array in sent.items()}
    came: list[dict[str, Any]] = [
        {name: array.numpy() for name, array in reply.array_records[strategy.arrayrecord_key].items()}
        for reply in replies
    ]
    cases = [next(iter(reply.metric_records.values()))[strategy.weighted_by_key] for reply in replies]
    products = inner_products(((before[name], [one[name] for one in came]) for name in before), len(came))
    parts = strategy.find(products, np.array(cases, np.float64))
    record = ArrayRecord()
    for name, tensor in before.items():
        wide = tensor.astype(np.float64)
        moved = sum(part * (one[name] - wide) for part, one in zip(parts, came, strict=True))
        record[name] = Array(np.asarray(wide + moved))
    return record, strategy.train_metrics_aggr_fn(list(replies), strategy.weighted_by_key)
