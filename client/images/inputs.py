"""Images as inputs of a network: ingested once, harmonised, augmented to the views of the plan's bank, normalised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.augmentation.views import Bank, identity, view_fingerprint, view_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import Account, CaseView
from fedgraft.client.images.expansion import expanded
from fedgraft.client.images.grey_levels import sentences
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.raster import FORMATS
from fedgraft.client.images.transforms import fingerprint, normalise
from fedgraft.client.site.release import may_release_means
from fedgraft.client.site.site_file import ReleasePolicy
from fedgraft.common.errors import WrongKindError
from fedgraft.common.harmonisation.image_statistics import ImageStatistics
from fedgraft.common.harmonisation.reference import Harmony

_AT_ONCE = 64


@dataclass(frozen=True)
class ImageInputs:
    """`fedgraft.client.cohort.inputs.Inputs` of a cohort of images."""

    ingest: ImageIngest
    bank: Bank
    harmony: Harmony | None = None

    @property
    def fingerprint(self) -> str:
        own = fingerprint(self.ingest.spec)
        return own if self.harmony is None else f"{own}|{self.harmony.fingerprint}"

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        rows = sum(case.in_a_table for case in cases)
        if rows:
            raise WrongKindError(
                f"{rows} case(s) are rows of a table, and the plan is for images: name an image of each in the "
                f"manifest's `path`{_perhaps(cases)}, or choose a plan with a `table`"
            )
        return expanded(cases, self.ingest.reading, self.ingest.store)

    def facts(self, cases: Sequence[Case]) -> NDArray[np.void]:
        """The facts of cases, ``(N,)`` of `fedgraft.client.images.facts.FACTS`."""
        return self.ingest.facts(cases)

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        reasons: NDArray[np.uint8] = self.facts(cases)["reason"]
        return reasons

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes]:
        return [digest.tobytes() for digest in self.facts(cases)["digest"]]

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        return sentences(self.facts(cases))

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        keys = {}
        for one in wanted:
            if one.case not in keys:
                keys[one.case] = self.ingest.key(one.case)
        return [self._view_key(keys[one.case], one) for one in wanted]

    def _view_key(self, key: bytes, one: CaseView) -> bytes:
        """The key of a view; view 0 has the same key in every bank."""
        if one.view == 0:
            return key
        return hashlib.sha256(key + view_fingerprint(self.bank, one.case, one.view).encode()).digest()

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        for part in _parts(wanted, batch):
            images = self.views(wanted[part])
            yield part, normalise(images, self.ingest.spec).expand(-1, self.ingest.spec.channels, -1, -1)

    def tell(self, train: Sequence[Case], permission: ReleasePolicy, account: Account) -> ImageStatistics:
        """Means over training images, each as it is (no views), by which the plan's ``harmonise`` describes them."""
        if self.harmony is None or not may_release_means(len({case.patient for case in train}), permission):
            return ImageStatistics()
        if not account.may("images", "means over images", train):
            return ImageStatistics()
        total = torch.zeros(self.harmony.numbers(self.ingest.spec.size), dtype=torch.float64)
        for start in range(0, len(train), _AT_ONCE):
            for image in self.ingest.images(train[start : start + _AT_ONCE]):
                total += self.harmony.harmoniser.describe(image)
        return ImageStatistics(len(train), tuple((total / len(train)).tolist()))

    def harmonised(self, cases: Sequence[Case]) -> list[Tensor]:
        """The images of cases, ``(1 or 3, S, S)`` float32 in [0, 1] each, harmonised if the plan says so."""
        taken = self.ingest.images(cases)
        return taken if self.harmony is None else [self.harmony.apply(image) for image in taken]

    def views(self, wanted: Sequence[CaseView]) -> Tensor:
        """Views of cases, ``(B, 1 or 3, S, S)`` in [0, 1]: one plane if all are grey."""
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
    """Batches of at most ``batch`` views; those of one case stay together if they fit."""
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


def _perhaps(cases: Sequence[Case]) -> str:
    """The first column whose first cell is called as images are."""
    for name, cell in cases[0].columns:
        if Path(cell.partition("::")[0]).suffix.lower() in (*FORMATS, ".dcm", ".npz"):
            return f" (`{name}` seems to name them: call that column `path`)"
    return ""
