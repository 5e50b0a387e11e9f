"""A site's cohort as tensors: the manifest's cases, split by patient, each computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.case_keys import case_keys
from fedgraft.client.examples import Examples
from fedgraft.client.images import CaseReader
from fedgraft.client.kept import ABSENT, Kept
from fedgraft.client.machine import Machine
from fedgraft.client.manifest import Case
from fedgraft.client.splits import split
from fedgraft.client.store import Store
from fedgraft.client.transforms import fingerprint, to_input
from fedgraft.common.constant import IMAGES
from fedgraft.common.errors import DataError
from fedgraft.common.model import Model
from fedgraft.common.plan import Plan

_PIXELS_AT_ONCE = 400_000  # larger batches spend their time on fresh memory: 27 ms an image of 224 px instead of 15
Progress = Callable[[int], None]
Cohort = dict[str, Examples]


def ignore(cases: int) -> None:
    """The `Progress` that shows nothing."""


@dataclass(frozen=True)
class Keeper:
    """Computes the constant part of a network for a case, or finds it in the store.

    ``progress`` is told how many cases were computed, as it happens.
    """

    plan: Plan
    model: Model
    backbone_digest: str
    store: Store
    machine: Machine
    progress: Progress = ignore

    def examples(self, cases: Sequence[Case]) -> Examples:
        """Some cases as tensors, in their order.

        Raises:
            DataError: a label is not a class of the plan, or a file can't be used.
        """
        classes = self.plan.data.classes
        index = {name: number for number, name in enumerate(classes)}
        strange = sum(case.label not in index for case in cases)
        if strange:
            raise DataError(f"{strange} case(s) have a label that is not in data.classes: {', '.join(classes)}")
        labels = torch.tensor([index[case.label] for case in cases], dtype=torch.int64)
        kept = self.store.kind(self._namespace(), self.model.constant.shape, self.plan.backbone.keep_as)
        places = self._places(kept, cases)
        return Examples(kept, labels, torch.from_numpy(places)[:, None])

    def _places(self, kept: Kept, cases: Sequence[Case]) -> NDArray[np.int64]:
        keys = case_keys(cases, "")
        places = kept.places(keys)
        absent = [number for number, place in enumerate(places) if place == ABSENT]
        if not absent:
            return places
        for start, values in self._compute([cases[number] for number in absent]):
            some = absent[start : start + len(values)]
            kept.add([keys[number] for number in some], values.numpy())
            self.progress(len(some))
        return kept.places(keys)

    def _compute(self, cases: Sequence[Case]) -> Iterator[tuple[int, Tensor]]:
        """``(position of the first, (B, *shape) float32 on the CPU)``, batch by batch."""
        reader, spec = CaseReader(), self.model.spec
        batch = self.machine.batch or max(4, _PIXELS_AT_ONCE // spec.size**2)
        device = self.machine.device
        mixed = self._precision == "mixed"
        for start in range(0, len(cases), batch):
            images = torch.stack([to_input(reader(case), spec) for case in cases[start : start + batch]])
            images = images.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                values = self.model.constant.compute(images)
            yield start, values.float().cpu()

    @property
    def _precision(self) -> str:
        """What ``backbone.precision`` means on this machine."""
        chosen = self.plan.backbone.precision
        if chosen == "auto":
            return "float32" if self.machine.device.type == "cpu" else "mixed"
        return chosen

    def _namespace(self) -> str:
        what = self.model.constant.what
        origin = what if what == IMAGES else f"{what}|{self.model.name}|{self.backbone_digest}|{self._precision}"
        return hashlib.sha256(f"{origin}|{fingerprint(self.model.spec)}".encode()).hexdigest()


def load_cohort(cases: Sequence[Case], keeper: Keeper) -> Cohort:
    """Split, decode and compute what is not kept yet.

    Returns:
        ``train``, ``val`` and ``test``; the last two may be empty.

    Raises:
        DataError: as `Keeper.examples`, or no case is left to train on.
    """
    data, seed = keeper.plan.data, keeper.plan.seed
    splits = split(cases, val_fraction=data.val_fraction, test_fraction=data.test_fraction, seed=seed)
    if not splits["train"]:
        raise DataError("the cohort leaves no case to train on; lower data.val_fraction and data.test_fraction")
    return {name: keeper.examples(some) for name, some in splits.items()}
