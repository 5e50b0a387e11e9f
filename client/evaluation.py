"""Evaluate a network on a split of the site's cases."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedgraft.client.cohort import Examples
from fedgraft.common.metrics import Evaluation, evaluate

_NUMBERS_AT_ONCE = 1_200_000


def predict(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """Logits ``(N, C)`` float32 on the CPU, in eval mode."""
    network.eval()
    with torch.inference_mode():
        size = max(4, _NUMBERS_AT_ONCE // examples.inputs[0].numel())
        batches = [network(batch.to(device)).cpu() for batch in examples.inputs.split(size)]
    return torch.cat(batches)


def evaluate_split(network: nn.Module, examples: Examples, device: torch.device) -> Evaluation | None:
    """Counts over a split; ``None`` if it has no case."""
    if len(examples.labels) == 0:
        return None
    return evaluate(predict(network, examples, device).numpy(), examples.labels.numpy())
