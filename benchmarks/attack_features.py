"""PneumoniaMNIST as kept features, with and without a backdoor's trigger: computed once, for ``attacks.py``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from plans import plan_of
from torch.nn import functional

from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common import tensors
from fedgraft.common.models.build import build
from fedgraft.simulations.datasets.pneumoniamnist import CLASSES, NAME

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
SIDE, CORNER, WHITE = 2, 1, 255
"""The trigger: a white square of so many pixels (of 28), so far from the upper left corner, as in BadNets (Gu et al.,
arXiv:1708.06733)."""


@dataclass(frozen=True)
class Films:
    """Cases as a linear head sees them: ``rows`` (N, 1280) float32, layer-normalised; ``marked``, the same with the
    trigger on the film; ``labels`` (N,) int64, 1 = pneumonia."""

    rows: Rows
    marked: Rows
    labels: Labels

    def of(self, chosen: NDArray[np.int64]) -> Films:
        return Films(self.rows[chosen], self.marked[chosen], self.labels[chosen])


def films(folder: Path) -> tuple[Films, Films]:
    """``(training and validation cases, test cases)``; computed if the folder does not hold them yet."""
    kept = folder / "films.safetensors"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        tensors.save(kept, _computed(folder), {})
    held = {name: tensor.numpy() for name, tensor in tensors.load(kept).items()}
    pool, test = (
        Films(*(held[f"{part}-{what}"] for what in ("rows", "marked", "labels"))) for part in ("pool", "test")
    )
    return pool, test


def _computed(folder: Path) -> dict[str, torch.Tensor]:
    source = Path(os.environ["FEDGRAFT_DATA"]) / NAME
    held = dict(np.load(source))
    plan = plan_of("data=pneumoniamnist", "data.image_size=96", "engine.workers=0")
    model = build(plan, None)
    machine = choose("cpu", plan.engine.threads, 0, plan.engine.batch)
    context = InputContext(plan, plan.engine.trusted, Store(None), workers=0)
    inputs = factory_of(context.kind, context.trusted).inputs(context)
    found: dict[str, torch.Tensor] = {}
    for part, splits in {"pool": ("train", "val"), "test": ("test",)}.items():
        images = np.concatenate([held[f"{split}_images"] for split in splits])
        labels = np.concatenate([held[f"{split}_labels"] for split in splits]).ravel().astype(np.int64)
        for what, shown in {"rows": images, "marked": stamped(images)}.items():
            file = folder / f"{part}-{what}.npz"
            np.savez(file, images=shown)
            cases = tuple(
                Case(path=f"{file}::images", row=n, label=CLASSES[y], patient=f"{n}") for n, y in enumerate(labels)
            )
            extractor = FeatureExtractor(plan, model, model.backbone_name, inputs, Store(None), machine)
            rows = extractor.examples(accept_whole(cases, plan, inputs)).inputs
            file.unlink()
            found[f"{part}-{what}"] = functional.layer_norm(rows, (rows.shape[1],)).contiguous()
        found[f"{part}-labels"] = torch.from_numpy(labels)
    return found


def stamped(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The films ``(N, 28, 28)`` with the trigger on them."""
    marked = images.copy()
    marked[:, CORNER : CORNER + SIDE, CORNER : CORNER + SIDE] = WHITE
    return marked
