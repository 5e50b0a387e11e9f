"""A site's cohort as tensors: the manifest's cases, split by patient, each computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.case_keys import view_keys
from fedgraft.client.decoding import Wanted, decoded
from fedgraft.client.examples import Examples
from fedgraft.client.images import CaseReader
from fedgraft.client.inputs import Inputs
from fedgraft.client.kept import ABSENT, Kept
from fedgraft.client.machine import Machine, automatic_batch, automatic_workers, cores, memory_bytes, use_threads
from fedgraft.client.manifest import Case
from fedgraft.client.splits import split
from fedgraft.client.store import Store
from fedgraft.client.table_file import TableFiles
from fedgraft.client.table_inputs import TableInputs
from fedgraft.client.targets import targets
from fedgraft.client.transforms import fingerprint, normalise
from fedgraft.client.views import Bank
from fedgraft.common.backbone import InputSpec
from fedgraft.common.constant import IMAGES
from fedgraft.common.errors import DataError
from fedgraft.common.model import Model
from fedgraft.common.plan import Plan

Progress = Callable[[int], None]
Cohort = dict[str, Examples]
ROWS_AT_ONCE = 4096


def ignore(cases: int) -> None:
    """The `Progress` that shows nothing."""


@dataclass(frozen=True)
class Keeper:
    """Computes the constant part of a network for a case, or finds it in the store.

    ``progress`` is told how many cases were computed, as it happens; ``reader`` is used where no process decodes.
    """

    plan: Plan
    model: Model
    backbone_digest: str
    store: Store
    machine: Machine
    progress: Progress = ignore
    reader: CaseReader = field(default_factory=CaseReader)
    tables: TableFiles = field(default_factory=TableFiles)

    @property
    def inputs(self) -> Inputs | None:
        """Of a table; ``None`` for images."""
        return inputs_of(self.plan, self.tables)

    def examples(self, cases: Sequence[Case], views: int = 1) -> Examples:
        """`all_examples` of one part."""
        return self.all_examples({"": (cases, views)})[""]

    def all_examples(self, parts: Mapping[str, tuple[Sequence[Case], int]]) -> dict[str, Examples]:
        """Cases as tensors, in their order; what is not kept is computed in one go.

        Args:
            parts: by name: cases, and in how many of its views each is wanted.

        Raises:
            DataError: a label is not a class of the plan, or a file can't be used.
        """
        labels = {name: targets(cases, self.plan.data) for name, (cases, _) in parts.items()}
        kept = self.store.kind(self._namespace(), self.model.constant.shape, self.plan.backbone.keep_as)
        wanted = [Wanted(case, view) for cases, views in parts.values() for case in cases for view in range(views)]
        sizes = [len(cases) * views for cases, views in parts.values()]
        places = torch.from_numpy(self._places(kept, wanted)).split(sizes)
        return {
            name: Examples(kept, labels[name], some.reshape(-1, views))
            for (name, (_, views)), some in zip(parts.items(), places, strict=True)
        }

    def _places(self, kept: Kept, wanted: Sequence[Wanted]) -> NDArray[np.int64]:
        inputs = self.inputs
        keys = view_keys(wanted, self._bank) if inputs is None else inputs.keys(wanted)
        places = kept.places(keys)
        absent = [number for number, place in enumerate(places) if place == ABSENT]
        if not absent:
            return places
        for part, values in self._compute([wanted[number] for number in absent]):
            kept.add([keys[number] for number in absent[part]], values.numpy())
            self.progress(sum(wanted[number].view == 0 for number in absent[part]))
        return kept.places(keys)

    def _compute(self, wanted: Sequence[Wanted]) -> Iterator[tuple[slice, Tensor]]:
        """``(which part of wanted, (B, *shape) float32 on the CPU)``, batch by batch."""
        inputs = self.inputs
        if inputs is not None:
            yield from self._compute_rows(inputs, wanted)
            return
        machine, spec = self.machine, self.model.spec
        assert isinstance(spec, InputSpec)
        batch = machine.batch or automatic_batch(spec.size, memory_bytes())
        workers = (
            automatic_workers([one.case for one in wanted], cores()) if machine.workers is None else machine.workers
        )
        mixed = self._precision == "mixed"
        use_threads(max(1, machine.threads - workers))
        for part, pictures in decoded(wanted, spec, self._bank, batch, workers, self.reader):
            images = normalise(pictures.to(machine.device), spec).expand(-1, spec.channels, -1, -1)
            with torch.autocast(machine.device.type, torch.bfloat16, enabled=mixed):
                values = self.model.constant.compute(images.contiguous(memory_format=torch.channels_last))
            yield part, values.float().cpu()
        use_threads(machine.threads)

    def _compute_rows(self, inputs: Inputs, wanted: Sequence[Wanted]) -> Iterator[tuple[slice, Tensor]]:
        for part, rows in inputs.batches(wanted, self.machine.batch or ROWS_AT_ONCE):
            with torch.autocast(self.machine.device.type, torch.bfloat16, enabled=self._precision == "mixed"):
                values = self.model.constant.compute(rows.to(self.machine.device))
            yield part, values.float().cpu()

    @property
    def _bank(self) -> Bank:
        return Bank(self.plan.augment, self.plan.seed)

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
        inputs, spec = self.inputs, self.model.spec
        shaping = fingerprint(spec) if isinstance(spec, InputSpec) else inputs.fingerprint if inputs else ""
        return hashlib.sha256(f"{origin}|{shaping}".encode()).hexdigest()


def inputs_of(plan: Plan, tables: TableFiles) -> Inputs | None:
    """What reads a plan's table; ``None`` if its cases are images."""
    return None if plan.table is None else TableInputs(plan.table, tables)


def split_usable(cases: Sequence[Case], plan: Plan, inputs: Inputs | None) -> dict[str, tuple[Case, ...]]:
    """``train``, ``val`` and ``test`` of the cases that can be used.

    Raises:
        DataError: no case is left to train on.
    """
    data = plan.data
    usable = cases if inputs is None else [case for case, fit in zip(cases, inputs.usable(cases), strict=True) if fit]
    splits = split(usable, val_fraction=data.val_fraction, test_fraction=data.test_fraction, seed=plan.seed)
    if not splits["train"]:
        raise DataError("the cohort leaves no case to train on; lower data.val_fraction and data.test_fraction")
    return splits


def load_cohort(cases: Sequence[Case], keeper: Keeper) -> Cohort:
    """Split, decode and compute what is not kept yet.

    Returns:
        ``train``, ``val`` and ``test``; the last two may be empty.

    Raises:
        DataError: as `Keeper.examples`, or no case is left to train on.
    """
    splits = split_usable(cases, keeper.plan, keeper.inputs)
    views = {"train": keeper.plan.augment.views}
    return keeper.all_examples({name: (some, views.get(name, 1)) for name, some in splits.items()})
