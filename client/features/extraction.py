"""Compute the constant part of the network for a site's cohort: once per case, and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.accepted import AcceptedCohort, LabelledCases
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.groups import patients_of, scanners_of
from fedgraft.client.cohort.inputs import CaseView, Inputs, Progress, ignore
from fedgraft.client.features.examples import Examples
from fedgraft.client.site.machine import Machine, automatic_batch, memory_bytes, use_threads
from fedgraft.client.site.row_store import ABSENT, RowStore, Store
from fedgraft.common.models.frozen_part import INPUTS
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

Cohort = dict[str, Examples]


@dataclass(frozen=True)
class FeatureExtractor:
    """Computes the output of a network's constant part for cases, or finds it in the store.

    ``progress`` is called with the number of cases that were computed, each once all its views are done.
    """

    plan: Plan
    model: Model
    backbone_digest: str
    inputs: Inputs
    store: Store
    machine: Machine
    progress: Progress = ignore

    def examples(self, part: LabelledCases, views: int = 1) -> Examples:
        """`all_examples` of one part."""
        return self.all_examples({"": (part, views)})[""]

    def all_examples(self, parts: Mapping[str, tuple[LabelledCases, int]]) -> dict[str, Examples]:
        """Cases as tensors, in their order; all that are not kept yet are computed together.

        Args:
            parts: by name: usable cases, and how many views of each are needed.
        """
        kept = self.store.kind(self._namespace(), self.model.constant.shape, self.plan.backbone.keep_as)
        wanted = [
            CaseView(case, view) for part, views in parts.values() for case in part.cases for view in range(views)
        ]
        sizes = [len(part.cases) * views for part, views in parts.values()]
        places = torch.from_numpy(self._places(kept, wanted)).split(sizes)
        return {
            name: Examples(kept, part.labels, some.reshape(-1, views), *self._patients_and_scanners(part.cases))
            for (name, (part, views)), some in zip(parts.items(), places, strict=True)
        }

    def _patients_and_scanners(self, cases: Sequence[Case]) -> tuple[Tensor | None, Tensor | None]:
        """The patients and scanners of cases, if the plan's alignment needs them."""
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
        """Batches of computed outputs: ``(slice of wanted, (B, *shape) float32 on the CPU)``."""
        machine, shape = self.machine, self.model.spec.shape
        batch = machine.batch or automatic_batch(shape, memory_bytes())
        mixed = self._precision == "mixed"
        use_threads(machine.threads)
        for part, inputs in self.inputs.batches(wanted, batch):
            with torch.autocast(machine.device.type, torch.bfloat16, enabled=mixed):
                values = self.model.constant.compute(inputs.to(machine.device))
            yield part, values.float().cpu()

    @property
    def _precision(self) -> str:
        """The precision that ``backbone.precision`` means on this machine."""
        chosen = self.plan.backbone.precision
        if chosen == "auto":
            return "float32" if self.machine.device.type == "cpu" else "mixed"
        return chosen

    def _namespace(self) -> str:
        what = self.model.constant.what
        computed = (self._precision, self.machine.device.type, torch.__version__, version("timm"))
        origin = what if what == INPUTS else f"{what}|{self.model.name}|{self.backbone_digest}|{'|'.join(computed)}"
        return hashlib.sha256(f"{origin}|{self.inputs.fingerprint}".encode()).hexdigest()


def load_cohort(accepted: AcceptedCohort, extractor: FeatureExtractor, trains: bool = True) -> Cohort:
    """The cases of a cohort as tensors; those that are not kept yet are computed.

    Args:
        trains: whether the site trains; otherwise only view 0 of each case is needed.

    Returns:
        ``train``, ``val`` and ``test``; the last two may be empty.
    """
    views = {"train": extractor.plan.augment.views if trains else 1}
    return extractor.all_examples({name: (part, views.get(name, 1)) for name, part in accepted.splits.items()})
