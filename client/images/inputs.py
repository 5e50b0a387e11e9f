"""Images as a network takes them: taken in once, harmonised, shown in the views of the plan's bank, normalised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.augmentation.views import Bank, identity, view_fingerprint, view_of
from fedgraft.client.cohort.case import CSV, PARQUET, Case
from fedgraft.client.cohort.inputs import CaseView, Progress
from fedgraft.client.images.expansion import expanded
from fedgraft.client.images.ingest import Intake
from fedgraft.client.images.reader import Reading, file_of
from fedgraft.client.images.transforms import fingerprint, normalise
from fedgraft.client.site.limits import Rules
from fedgraft.client.site.machine import cores
from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import DataError
from fedgraft.common.harmonisation.reference import Harmony, harmony_of
from fedgraft.common.interfaces.inputs import InputSpec
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

TABLES = (*CSV, *PARQUET)


@dataclass(frozen=True)
class ImageInputs:
    """`fedgraft.client.cohort.inputs.Inputs` of a cohort of images."""

    intake: Intake
    bank: Bank
    harmony: Harmony | None = None

    @property
    def fingerprint(self) -> str:
        own = fingerprint(self.intake.spec)
        return own if self.harmony is None else f"{own}|{self.harmony.fingerprint}"

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        rows = sum(file_of(case).lower().endswith(TABLES) for case in cases)
        if rows:
            raise DataError(
                f"{rows} case(s) are rows of a table, and the plan is for images: name an image of each in the "
                "manifest's `path`, or choose a plan with a `table`"
            )
        return expanded(cases, self.intake.reading, self.intake.store)

    def facts(self, cases: Sequence[Case]) -> NDArray[np.void]:
        """``(N,)`` of `fedgraft.client.images.facts.FACTS`."""
        return self.intake.facts(cases)

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        reasons: NDArray[np.uint8] = self.facts(cases)["reason"]
        return reasons

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes]:
        return [digest.tobytes() for digest in self.facts(cases)["digest"]]

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        keys = {}
        for one in wanted:
            if one.case not in keys:
                keys[one.case] = self.intake.key(one.case)
        return [self._view_key(keys[one.case], one) for one in wanted]

    def _view_key(self, key: bytes, one: CaseView) -> bytes:
        """A case as it is has the same key in every bank."""
        if one.view == 0:
            return key
        return hashlib.sha256(key + view_fingerprint(self.bank, one.case, one.view).encode()).digest()

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        for part in _parts(wanted, batch):
            images = self.views(wanted[part])
            yield part, normalise(images, self.intake.spec).expand(-1, self.intake.spec.channels, -1, -1)

    def harmonised(self, cases: Sequence[Case]) -> list[Tensor]:
        """``(1 or 3, S, S)`` float32 in [0, 1] of each case, made like those of other sites if the plan says so."""
        taken = self.intake.images(cases)
        return taken if self.harmony is None else [self.harmony.apply(image) for image in taken]

    def views(self, wanted: Sequence[CaseView]) -> Tensor:
        """``(B, 1 or 3, S, S)`` in [0, 1]: one plane if all of them are grey."""
        grouped = [(case, [one.view for one in views]) for case, views in groupby(wanted, lambda one: one.case)]
        taken = self.harmonised([case for case, _ in grouped])
        images = [
            view_of(image, self.bank, identity(case), view)
            for image, (case, views) in zip(taken, grouped, strict=True)
            for view in views
        ]
        planes = max(len(image) for image in images)
        return torch.stack([image.expand(planes, -1, -1) for image in images])


def _parts(wanted: Sequence[CaseView], batch: int) -> Iterator[slice]:
    """At most ``batch`` at once; the views of one case stay together if they fit."""
    start = end = 0
    for _, views in groupby(wanted, lambda one: one.case):
        count = sum(1 for _ in views)
        if start < end and end + count - start > batch:
            yield slice(start, end)
            start = end
        end += count
        while end - start > batch:
            yield slice(start, start + batch)
            start += batch
    if start < end:
        yield slice(start, end)


def image_inputs(
    plan: Plan,
    spec: InputSpec,
    rules: Rules,
    store: Store,
    workers: int | None,
    progress: Progress,
    allowed: Iterable[str] = OURS,
) -> ImageInputs:
    """A cohort's images, as a plan wants them.

    Args:
        workers: processes that decode files; ``None`` is one per core.
        progress: is told how many cases were decoded, as it happens.
        allowed: packages from which what harmonises them may come.
    """
    reading = Reading(plan.dicom, rules.limits)
    processes = cores() if workers is None else workers
    intake = Intake(reading, spec, store, processes, rules.refuse_burned_in, progress)
    return ImageInputs(intake, Bank(plan.augment, plan.seed), harmony_of(plan, allowed))
