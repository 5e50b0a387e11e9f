"""A site's cohort as tensors: the manifest's cases, split by patient, each computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.duplicates import refuse_across_splits
from fedgraft.client.cohort.groups import patients_of, scanners_of
from fedgraft.client.cohort.inputs import CaseView, Inputs, Progress
from fedgraft.client.cohort.quarantine import USABLE, count_reasons
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.client.features.examples import Examples
from fedgraft.client.site.machine import Machine, automatic_batch, memory_bytes, use_threads
from fedgraft.client.site.row_store import ABSENT, RowStore, Store
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.models.frozen_part import IMAGES
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

Cohort = dict[str, Examples]


def ignore(cases: int) -> None:
    """The `Progress` that shows nothing."""


@dataclass(frozen=True)
class FeatureExtractor:
    """Computes the constant part of a network for a case, or finds it in the store.

    ``progress`` is told how many cases were computed, as it happens; a case counts once all its views are there.
    """

    plan: Plan
    model: Model
    backbone_digest: str
    inputs: Inputs
    store: Store
    machine: Machine
    progress: Progress = ignore

    def examples(self, cases: Sequence[Case], views: int = 1) -> Examples:
        """`all_examples` of one part, all of whose cases must be usable.

        Raises:
            DataError: one is not; the message counts them by reason.
        """
        verdicts = self.inputs.verdicts(cases)
        if (verdicts != USABLE).any():
            raise DataError(f"{(verdicts != USABLE).sum()} case(s) can't be used: {_listed(verdicts)}")
        return self.all_examples({"": (cases, views)})[""]

    def all_examples(self, parts: Mapping[str, tuple[Sequence[Case], int]]) -> dict[str, Examples]:
        """Usable cases as tensors, in their order; what is not kept is computed in one go.

        Args:
            parts: by name: cases, and in how many of its views each is wanted.

        Raises:
            DataError: a label is not a class of the plan.
        """
        labels = {name: tasks.of(self.plan.data).targets(cases) for name, (cases, _) in parts.items()}
        kept = self.store.kind(self._namespace(), self.model.constant.shape, self.plan.backbone.keep_as)
        wanted = [CaseView(case, view) for cases, views in parts.values() for case in cases for view in range(views)]
        sizes = [len(cases) * views for cases, views in parts.values()]
        places = torch.from_numpy(self._places(kept, wanted)).split(sizes)
        return {
            name: Examples(kept, labels[name], some.reshape(-1, views), *self._whose(cases))
            for (name, (cases, views)), some in zip(parts.items(), places, strict=True)
        }

    def _whose(self, cases: Sequence[Case]) -> tuple[Tensor | None, Tensor | None]:
        """Patients and scanners of some cases, as far as the plan's alignment asks."""
        asked = self.plan.alignment
        patients = None if asked.target is None else patients_of(cases)
        return patients, None if asked.column is None else scanners_of(cases, asked.column)

    def _places(self, kept: RowStore, wanted: Sequence[CaseView]) -> NDArray[np.int64]:
        keys = self.inputs.keys(wanted)
        places = kept.places(keys)
        absent = [number for number, place in enumerate(places) if place == ABSENT]
        if not absent:
            return places
        # a case's views stand one after another: where another case follows, it is done
        after = [wanted[number].case for number in absent[1:]]
        last = {n for n, case in zip(absent, [*after, None], strict=True) if wanted[n].case is not case}
        for part, values in self._compute([wanted[number] for number in absent]):
            kept.add([keys[number] for number in absent[part]], values.numpy())
            self.progress(sum(number in last for number in absent[part]))
        return kept.places(keys)

    def _compute(self, wanted: Sequence[CaseView]) -> Iterator[tuple[slice, Tensor]]:
        """``(which part of wanted, (B, *shape) float32 on the CPU)``, batch by batch."""
        machine, shape = self.machine, self.model.spec.shape
        batch = machine.batch or automatic_batch(shape, memory_bytes())
        mixed = self._precision == "mixed"
        use_threads(machine.threads)
        for part, inputs in self.inputs.batches(wanted, batch):
            layout = torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
            with torch.autocast(machine.device.type, torch.bfloat16, enabled=mixed):
                values = self.model.constant.compute(inputs.to(machine.device).contiguous(memory_format=layout))
            yield part, values.float().cpu()

    @property
    def _precision(self) -> str:
        """What ``backbone.precision`` means on this machine."""
        chosen = self.plan.backbone.precision
        if chosen == "auto":
            return "float32" if self.machine.device.type == "cpu" else "mixed"
        return chosen

    def _namespace(self) -> str:
        what = self.model.constant.what
        computed = (self._precision, self.machine.device.type, torch.__version__, version("timm"))
        origin = what if what == IMAGES else f"{what}|{self.model.name}|{self.backbone_digest}|{'|'.join(computed)}"
        return hashlib.sha256(f"{origin}|{self.inputs.fingerprint}".encode()).hexdigest()


def split_usable(cases: Sequence[Case], plan: Plan, inputs: Inputs) -> dict[str, tuple[Case, ...]]:
    """``train``, ``val`` and ``test`` of the cases that can be used; the last two may be empty.

    All cases are split, also those that can't be used: a file that is mended later moves no other case.

    Raises:
        DataError: no case is left to train on, or an image is in two splits.
    """
    splits = split_as_planned(cases, plan.data, plan.seed)
    verdicts = inputs.verdicts(cases)
    usable = {case for case, verdict in zip(cases, verdicts, strict=True) if verdict == USABLE}
    left = {name: tuple(case for case in some if case in usable) for name, some in splits.items()}
    if not left["train"]:
        reasons = f" (can't be used: {_listed(verdicts)})" if len(usable) < len(cases) else ""
        raise DataError(
            f"the cohort leaves no case to train on{reasons}; lower data.val_fraction and data.test_fraction, or see "
            "fedgraft site check"
        )
    refuse_across_splits(left, inputs.digests)
    return left


def load_cohort(cases: Sequence[Case], extractor: FeatureExtractor, trains: bool = True) -> Cohort:
    """Split, leave out what can't be used, and compute what is not kept yet.

    Args:
        trains: whether the site does; one that never trains needs each case as it is, and no other view.

    Returns:
        ``train``, ``val`` and ``test``; the last two may be empty.

    Raises:
        DataError: as `split_usable` and `FeatureExtractor.all_examples`.
    """
    splits = split_usable(cases, extractor.plan, extractor.inputs)
    views = {"train": extractor.plan.augment.views if trains else 1}
    return extractor.all_examples({name: (some, views.get(name, 1)) for name, some in splits.items()})


def _listed(verdicts: NDArray[np.uint8]) -> str:
    """``damaged 2, missing 1``."""
    return ", ".join(f"{reason} {count}" for reason, count in count_reasons(verdicts).items())
