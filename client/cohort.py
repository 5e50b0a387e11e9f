"""A site's cohort as tensors: the manifest's cases, split by patient, decoded once and kept.

What is kept is the deepest thing that training can't change: the backbone's features if nothing before the head is
trained, the output of the last constant stage if there is one, the normalised images otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.images import CaseReader
from fedgraft.client.kept import Kept, case_keys
from fedgraft.client.manifest import Case
from fedgraft.client.splits import split
from fedgraft.client.transforms import fingerprint, to_input
from fedgraft.common.errors import DataError
from fedgraft.common.model import Model
from fedgraft.common.schema import Data

_PIXELS_AT_ONCE = 400_000  # larger batches spend their time on fresh memory: 27 ms an image of 224 px instead of 15
Progress = Callable[[int], None]


def ignore(cases: int) -> None:
    """The `Progress` that shows nothing."""


@dataclass(frozen=True)
class Examples:
    """``inputs``: ``(N, F)`` features or ``(N, C, S, S)`` images, float32; ``labels``: ``(N,)`` int64."""

    inputs: Tensor
    labels: Tensor

    def class_counts(self, classes: int) -> tuple[int, ...]:
        """Cases by class."""
        return tuple(int(n) for n in torch.bincount(self.labels, minlength=classes))


Cohort = dict[str, Examples]


def load_cohort(
    cases: Sequence[Case],
    data: Data,
    seed: int,
    model: Model,
    backbone_digest: str,
    kept: Kept,
    device: torch.device,
    progress: Progress = ignore,
) -> Cohort:
    """Split, decode and compute what is not kept yet.

    Returns:
        ``train``, ``val`` and ``test``; the last two may be empty.

    Raises:
        DataError: a label is not a class of the plan, a file can't be used, or no case is left to train on.
    """
    splits = split(cases, val_fraction=data.val_fraction, test_fraction=data.test_fraction, seed=seed)
    if not splits["train"]:
        raise DataError("the cohort leaves no case to train on; lower data.val_fraction and data.test_fraction")
    return {
        name: load_examples(some, data.classes, model, backbone_digest, kept, device, progress)
        for name, some in splits.items()
    }


def load_examples(
    cases: Sequence[Case],
    classes: Sequence[str],
    model: Model,
    backbone_digest: str,
    kept: Kept,
    device: torch.device,
    progress: Progress = ignore,
) -> Examples:
    """Some cases as tensors, in their order; reports the number of cases computed as it goes.

    Raises:
        DataError: as `load_cohort`.
    """
    index = {name: number for number, name in enumerate(classes)}
    strange = sum(case.label not in index for case in cases)
    if strange:
        raise DataError(f"{strange} case(s) have a label that is not in data.classes: {', '.join(classes)}")
    labels = torch.tensor([index[case.label] for case in cases], dtype=torch.int64)
    keys = case_keys(cases, _namespace(model, backbone_digest))
    held = kept.read(keys)
    absent = [(key, case) for key, case in zip(keys, cases, strict=True) if key not in held]
    for some in _compute(absent, model, device):
        kept.write(some)
        held |= some
        progress(len(some))
    shape = model.kept_shape
    rows = np.stack([held[key] for key in keys]) if keys else np.zeros((0, *shape), np.float32)
    return Examples(torch.from_numpy(rows.reshape(-1, *shape)), labels)


def _compute(
    absent: Sequence[tuple[bytes, Case]], model: Model, device: torch.device
) -> Iterator[dict[bytes, NDArray[np.float32]]]:
    reader = CaseReader()
    batch = max(4, _PIXELS_AT_ONCE // model.spec.size**2)
    for start in range(0, len(absent), batch):
        some = absent[start : start + batch]
        images = torch.stack([to_input(reader(case), model.spec) for _, case in some])
        values = model.keep(images.to(device, memory_format=torch.channels_last)).cpu()
        yield {key: value.numpy().reshape(-1) for (key, _), value in zip(some, values, strict=True)}


def _namespace(model: Model, backbone_digest: str) -> str:
    stage = "" if model.cut is None else model.cut.stage
    kept = "features" if model.features_are_kept else f"stage {stage}" if stage else "images"
    origin = "images" if kept == "images" else f"{kept}|{model.name}|{backbone_digest}"
    return hashlib.sha256(f"{origin}|{fingerprint(model.spec)}".encode()).hexdigest()
