"""Evaluate a network on splits of one or many sites' cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.common.interfaces.task import AnyTask, Evaluation

_NUMBERS_AT_ONCE = 1_200_000


class Evaluated(NamedTuple):
    """A split's outputs, ``(N, outputs)`` float32 in the order of its cases, and their evaluation."""

    outputs: NDArray[np.float32]
    evaluation: Evaluation


def predict(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """The network's outputs in eval mode, ``(N, outputs)`` float32 on the CPU; at least one case."""
    network.eval()
    size, found = max(4, _NUMBERS_AT_ONCE // examples.stored[0].numel()), torch.empty(0)
    for some in torch.arange(len(examples)).split(size):
        with torch.inference_mode():
            outputs = network(examples.batch(some).to(device)).cpu()
        if not len(found):  # one for all: kept batches would lie in the holes that each leaves, and the next not fit in
            found = torch.empty(len(examples), *outputs.shape[1:], dtype=outputs.dtype)
        found[some] = outputs
    return found


def predict_mean(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """`predict`, the mean over all views of each case."""
    views = [predict(network, examples.of_view(view), device) for view in range(examples.views)]
    return views[0] if len(views) == 1 else torch.stack(views).mean(dim=0)


def evaluate_split(network: nn.Module, examples: Examples, device: torch.device, task: AnyTask) -> Evaluation | None:
    """The task's evaluation of a split, over all views of each case that it has; ``None`` if it has no case."""
    return evaluate_splits(network, [examples], device, task)[0]


def evaluate_splits(
    network: nn.Module, splits: Sequence[Examples], device: torch.device, task: AnyTask
) -> list[Evaluation | None]:
    """`evaluate_split` for many splits: those with rows in the same store, changed alike, are computed together."""
    found = evaluate_with_outputs(network, splits, device, task)
    return [None if one is None else one.evaluation for one in found]


def evaluate_with_outputs(
    network: nn.Module, splits: Sequence[Examples], device: torch.device, task: AnyTask
) -> list[Evaluated | None]:
    """`evaluate_splits`, with the outputs."""
    found: list[Evaluated | None] = [None] * len(splits)
    filled = [place for place, examples in enumerate(splits) if len(examples)]
    for some in _by_store(splits, filled):
        whole = Examples.joined([splits[place] for place in some])
        outputs = predict_mean(network, whole, device).numpy()
        sizes = [len(splits[place]) for place in some]
        parts = task.evaluate_parts(outputs, whole.labels.numpy(), sizes)
        each = np.split(outputs, np.cumsum(sizes)[:-1])
        for place, own, part in zip(some, each, parts, strict=True):
            found[place] = Evaluated(own, part)
    return found


def _by_store(splits: Sequence[Examples], places: Sequence[int]) -> list[list[int]]:
    stores: dict[tuple[int, object], list[int]] = {}
    for place in places:
        change = splits[place].change
        key = (id(splits[place].source), None if change is None else change.same_for)
        stores.setdefault(key, []).append(place)
    return list(stores.values())
