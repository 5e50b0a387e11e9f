"""The reference work's parts in plain numpy, PyTorch and timm: what every contestant that is not ours is written with.

It imports nothing of FedGraft, so that it also runs in another interpreter (``--peers``); what it reads, `handout.py`
wrote. One linear head on a frozen ``tf_efficientnet_lite0`` at 64 px, weighted cross-entropy, SGD.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

MODEL, SIZE, CLASSES, LR, MOMENTUM, BATCH, SEED = "tf_efficientnet_lite0", 64, 2, 0.05, 0.9, 32, 0


class Network(nn.Module):
    """The whole network: the frozen backbone runs for every batch, as one would write it."""

    def __init__(self, backbone: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> Tensor:
        """``(N, 3, 64, 64)`` float32 to ``(N, 2)`` logits."""
        logits: Tensor = self.head(through(self.backbone, images))
        return logits


def through(backbone: nn.Module, images: Tensor) -> Tensor:
    """Features ``(N, 1280)`` of images ``(N, 3, 64, 64)``."""
    with torch.no_grad():
        return torch.cat([backbone(part.to(memory_format=torch.channels_last)) for part in images.split(BATCH)])


def frozen_backbone(handout: Path) -> nn.Module:
    backbone = timm.create_model(MODEL, num_classes=0)
    backbone.load_state_dict(load_file(handout / "backbone.safetensors"))
    return backbone.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def new_head() -> nn.Linear:
    """``(1280 -> 2)``, all zeros, as the plan starts."""
    head = nn.Linear(1280, CLASSES)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def site_names(handout: Path) -> list[str]:
    return sorted(path.stem for path in (handout / "sites").glob("*.npz"))


def load_site(handout: Path, name: str) -> tuple[Tensor, Tensor]:
    """A site's training images ``(N, 3, 64, 64)`` float32 and labels ``(N,)`` int64."""
    return _load(handout / "sites" / f"{name}.npz")


def load_test(handout: Path) -> tuple[Tensor, Tensor]:
    """The coordinator's test set, likewise."""
    return _load(handout / "test.npz")


def _load(file: Path) -> tuple[Tensor, Tensor]:
    with np.load(file) as arrays:
        grey, labels = torch.from_numpy(arrays["images"]).float()[:, None] / 255, torch.from_numpy(arrays["labels"])
    resized = functional.interpolate(grey, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False)
    return ((resized.clamp(0, 1) - 0.5) / 0.5).expand(-1, 3, -1, -1), labels


def batches(site: str, server_round: int, cases: int) -> list[Tensor]:
    """The plan's order of cases: drawn from seed, site and round; a last batch of one joins the one before."""
    seed = int.from_bytes(hashlib.sha256(f"{SEED}|{site}|{server_round}".encode()).digest()[:8], "little") >> 1
    found = list(torch.randperm(cases, generator=torch.Generator().manual_seed(seed)).split(BATCH))
    if len(found) > 1 and len(found[-1]) == 1:
        found[-2:] = [torch.cat(found[-2:])]
    return found


def class_weights(labels: Tensor) -> Tensor:
    """``N / (C * n_c)``, with C the classes that are there (King & Zeng 2001)."""
    counts = torch.bincount(labels, minlength=CLASSES).float()
    present = counts > 0
    return torch.where(present, len(labels) / (present.sum() * counts.clamp(min=1)), 0.0)


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    return (functional.cross_entropy(logits, labels, reduction="none") * weights[labels]).mean()


def train_epoch(network: nn.Module, head: nn.Linear, inputs: Tensor, labels: Tensor, order: list[Tensor]) -> None:
    """One local epoch of SGD on the head."""
    weights = class_weights(labels)
    optimizer = torch.optim.SGD(head.parameters(), LR, MOMENTUM)
    for batch in order:
        optimizer.zero_grad()
        weighted_loss(network(inputs[batch]), labels[batch], weights).backward()
        optimizer.step()


def test_auroc(network: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        logits = network(inputs)
    return auroc((logits[:, 1] - logits[:, 0]).numpy(), labels.numpy())


def auroc(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The Mann-Whitney statistic, ties counted half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ill = labels == 1
    positives, negatives = int(ill.sum()), int((~ill).sum())
    return float((ranks[ill].sum() - positives * (positives + 1) / 2) / (positives * negatives))
