"""What a kind of answer must be able to do to be summed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from flwr.app import ConfigRecord, RecordDict
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import WithheldError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages

POOLED = "all sites"
"""As whose answer a sum is read; no site can have this name, since it has a space."""
Arrays = dict[str, NDArray[np.floating[Any]]]
"""By name: float32 or float64, which says in words of how many bits they travel (`fedgraft.common.secure.layout`)."""
Totals = Mapping[str, NDArray[np.float64]]
TENSOR = "tensor."
"""Before the name of a tensor, among other arrays."""


@dataclass(frozen=True)
class Asked:
    """A question, as both the site and the coordinator know it."""

    content: RecordDict
    plan: Plan

    @property
    def task(self) -> AnyTask:
        return tasks.of(self.plan.data)

    @property
    def round(self) -> int:
        """0 for a question that is of no round."""
        config = self.content.get(messages.CONFIG)
        number = config.get("server-round") if isinstance(config, ConfigRecord) else None
        return number if isinstance(number, int) else 0

    def received(self) -> dict[str, Tensor]:
        """The tensors that came with it."""
        return messages.unpack_any(messages.unpack_arrays(self.content, messages.ARRAYS))


class SumKind(Protocol):
    """How the answers to one kind of message are summed."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        """At a site: all of its answer that is summed. Names, shapes and dtypes are the same at all sites.

        Raises:
            WithheldError: the site withholds what was asked for.
        """

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        """At the coordinator: the answer of `POOLED`, as if one site had all the cases."""


def withheld(what: str) -> WithheldError:
    """The error of a site that has no part in a sum."""
    return WithheldError(
        f"by its release rules this site withholds its {what}, and has no part in the secure sum of them"
    )


def of_tensor(tensor: Tensor) -> NDArray[np.floating[Any]]:
    """A tensor as it is summed: float32 as it is, all else in float64."""
    found: NDArray[np.floating[Any]] = (tensor if tensor.dtype == torch.float32 else tensor.double()).numpy()
    return found


def scalar(value: float) -> NDArray[np.float64]:
    return np.array(value, np.float64)


def whole(total: NDArray[np.float64]) -> int:
    """A sum of whole numbers: the grid holds them exactly."""
    return round(float(total))
