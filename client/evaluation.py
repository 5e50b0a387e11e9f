"""Evaluate a network on a split of the site's cases."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedgraft.client.cohort import Examples
from fedgraft.common.metrics import Evaluation, evaluate

_BATCH = 256


def predict(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """Logits ``(N, C)`` float32 on the CPU, in eval mode."""
    network.eval()
    with torch.inference_mode():
        batches = [network(batch.to(device)).cpu() for batch in examples.inputs.split(_BATCH)]
    return torch.cat(batches)


def evaluate_split(network: nn.Module, examples: Examples, device: torch.device) -> Evaluation | None:
    """Counts over a split; ``None`` if it has no case."""
    if len(examples.labels) == 0:
        return None
    return evaluate(predict(network, examples, device).numpy(), examples.labels.numpy())
