"""Compute the constant part of the network for a site's cohort: once per case, and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.accepted import AcceptedCohort, LabelledCases
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.groups import patients_of, scanners_of
from fedgraft.client.cohort.inputs import CaseView, Inputs, Progress, ignore
from fedgraft.client.features.examples import Examples
from fedgraft.client.features.runtimes import EAGER, SAMPLE, Compute, Runtime, built, pays, runtimes
from fedgraft.client.site.machine import Machine, automatic_batch, memory_bytes, use_threads
from fedgraft.client.site.row_store import ABSENT, RowStore, Store
from fedgraft.common.features.choose import said
from fedgraft.common.installed import version_of
from fedgraft.common.models.frozen_part import INPUTS, Piece
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

Cohort = dict[str, Examples]


class _Chosen(NamedTuple):
    """Of a piece, the store of its rows, the index of each row that is wanted, and what computes those it lacks."""

    store: RowStore
    places: NDArray[np.int64]
    compute: Compute


@dataclass(frozen=True)
class FeatureExtractor:
    """Computes the output of a network's constant part for cases, or finds it in the store.

    ``backbone`` names it by the digests of its networks (`fedgraft.common.models.model.Model.backbone_name`).
    ``progress`` is called with the number of cases that were computed, each once all its views are done.
    ``expected``: how many cases others of this process will want of the same network: what pays once for all.
    """

    plan: Plan
    model: Model
    backbone: str
    inputs: Inputs
    store: Store
    machine: Machine
    progress: Progress = ignore
    expected: int = 0

    def examples(self, part: LabelledCases, views: int = 1) -> Examples:
        """`all_examples` of one part."""
        return self.all_examples({"": (part, views)})[""]

    def all_examples(self, parts: Mapping[str, tuple[LabelledCases, int]]) -> dict[str, Examples]:
        """Cases as tensors, in their order; all that are not kept yet are computed together.

        Args:
            parts: by name: usable cases, and how many views of each are needed.
        """
        wanted = [
            CaseView(case, view) for part, views in parts.values() for case in part.cases for view in range(views)
        ]
        sizes = [len(part.cases) * views for part, views in parts.values()]
        source, rows = self._kept(wanted)
        return {
            name: Examples(source, part.labels, some.reshape(-1, views), *self._patients_and_scanners(part.cases))
            for (name, (part, views)), some in zip(parts.items(), rows.split(sizes), strict=True)
        }

    def holds(self, keys: Sequence[bytes]) -> bool:
        """Whether rows under all of some keys are kept, of each network."""
        return all(
            any(_whole(self._store(piece, runtime).places(keys)) for runtime in self._runtimes(piece))
            for piece in self._pieces
        )

    def _kept(self, wanted: Sequence[CaseView]) -> tuple[Tensor | RowStore, Tensor]:
        """What holds the rows of the views that are wanted, and the index of each row; what is lacking is computed. Of
        several networks each has a store of its own, and their rows are joined in memory."""
        keys = self.inputs.keys(wanted)
        chosen = [self._chosen(piece, wanted, keys) for piece in self._pieces]
        places = self._places(chosen, wanted, keys)
        if len(chosen) == 1:
            return chosen[0].store, torch.from_numpy(places[0])
        rows = [
            one.store.rows().index_select(0, torch.from_numpy(place)).float()
            for one, place in zip(chosen, places, strict=True)
        ]
        return torch.cat(rows, dim=1), torch.arange(len(wanted))

    def _chosen(self, piece: Piece, wanted: Sequence[CaseView], keys: Sequence[bytes]) -> _Chosen:
        """What computes and keeps a piece: what holds most of its rows already, so that a run goes on as it began; else
        the fastest that gives equal features."""
        found = [(one, store := self._store(piece, one), store.places(keys)) for one in self._runtimes(piece)]
        for _, store, places in found:
            if _whole(places):
                return _Chosen(store, places, piece.compute)
        if len(found) > 1:
            blank = torch.zeros(1, *self.model.spec.shape)
            slow = found[0][0].name == "openvino" and self.machine.runtime == "auto"
            if slow and not pays(piece, max(len(wanted), self.expected), blank, self.machine.threads):
                found.insert(-1, found.pop(0))
        for runtime, store, places in sorted(found, key=lambda one: int((one[2] == ABSENT).sum())):
            lacking = np.flatnonzero(places == ABSENT)[:SAMPLE].tolist()
            compute = self._built(runtime, piece, [wanted[number] for number in lacking])
            if compute is not None:
                return _Chosen(store, places, compute)
        raise AssertionError("torch itself computes every network")

    def _built(self, runtime: Runtime, piece: Piece, some: Sequence[CaseView]) -> Compute | None:
        if runtime == EAGER:
            return piece.compute
        use_threads(self.machine.threads)
        _, cases = next(self.inputs.batches(some, len(some)))
        return built(runtime, piece, self.machine, cases, self.model.name)

    def _patients_and_scanners(self, cases: Sequence[Case]) -> tuple[Tensor | None, Tensor | None]:
        """The patients and scanners of cases, if the plan's alignment needs them."""
        asked = self.plan.alignment
        patients = None if asked.target is None else patients_of(cases)
        return patients, None if asked.column is None else scanners_of(cases, asked.column)

    def _places(
        self, chosen: Sequence[_Chosen], wanted: Sequence[CaseView], keys: Sequence[bytes]
    ) -> list[NDArray[np.int64]]:
        """For each store, the index of each row; a case that any store lacks is decoded once, for all that lack it."""
        lacking = np.stack([one.places == ABSENT for one in chosen])
        absent = np.flatnonzero(lacking.any(axis=0)).tolist()
        if not absent:
            return [one.places for one in chosen]
        # a case's views stand one after another: where another case follows, it is done
        after = [wanted[number].case for number in absent[1:]]
        last = {n for n, case in zip(absent, [*after, None], strict=True) if wanted[n].case is not case}
        computing = [one for one, some in zip(chosen, lacking, strict=True) if some.any()]
        for part, values in self._compute([wanted[number] for number in absent], [one.compute for one in computing]):
            for one, rows in zip(computing, values, strict=True):
                one.store.add([keys[number] for number in absent[part]], rows.numpy())
            self.progress(sum(number in last for number in absent[part]))
        return [one.store.places(keys) for one in chosen]

    def _compute(
        self, wanted: Sequence[CaseView], computing: Sequence[Compute]
    ) -> Iterator[tuple[slice, list[Tensor]]]:
        """Batches of computed outputs: ``(slice of wanted, (B, *shape) float32 on the CPU for each that computes)``."""
        machine, shape = self.machine, self.model.spec.shape
        batch = machine.batch or automatic_batch(shape, memory_bytes())
        mixed = self._precision == "mixed"
        use_threads(machine.threads)
        for part, inputs in self.inputs.batches(wanted, batch):
            with torch.autocast(machine.device.type, torch.bfloat16, enabled=mixed):
                values = [compute(inputs.to(machine.device)) for compute in computing]
            yield part, [one.float().cpu() for one in values]

    @property
    def _pieces(self) -> tuple[Piece, ...]:
        """What is computed and kept, each by itself."""
        constant = self.model.constant
        if constant.pieces:
            return constant.pieces
        what = (
            constant.what if constant.what == INPUTS else f"{constant.what}|{self.model.name}{said(self.plan.features)}"
        )
        return (Piece(what, "", constant.shape, constant.compute),)

    def _runtimes(self, piece: Piece) -> tuple[Runtime, ...]:
        return runtimes(piece, self.machine, self._precision)

    def _store(self, piece: Piece, runtime: Runtime) -> RowStore:
        """The store of a piece's rows; named by all that they depend on."""
        digest = dict(zip(self._pieces, self.backbone.split("+"), strict=True))[piece]
        computed = [self._precision, self.machine.device.type, torch.__version__, version_of("timm")]
        computed += [runtime.said] if runtime.said else []  # rows of earlier versions are eager ones
        origin = piece.said if piece.said == INPUTS else f"{piece.said}|{digest}|{'|'.join(computed)}"
        namespace = hashlib.sha256(f"{origin}|{self.inputs.fingerprint}".encode()).hexdigest()
        return self.store.kind(namespace, piece.shape, self.plan.backbone.keep_as)

    @property
    def _precision(self) -> str:
        """The precision that ``backbone.precision`` means on this machine."""
        chosen = self.plan.backbone.precision
        if chosen == "auto":
            return "float32" if self.machine.device.type == "cpu" else "mixed"
        return chosen


def _whole(places: NDArray[np.int64]) -> bool:
    return bool((places != ABSENT).all())


def load_cohort(accepted: AcceptedCohort, extractor: FeatureExtractor, trains: bool = True) -> Cohort:
    """The cases of a cohort as tensors; those that are not kept yet are computed.

    Args:
        trains: whether the site trains; otherwise only view 0 of each training case is needed.

    Returns:
        ``train``, ``val`` and ``test``; the last two may be empty.
    """
    views = views_of(extractor.plan, trains)
    return extractor.all_examples({name: (part, views[name]) for name, part in accepted.splits.items()})


def views_of(plan: Plan, trains: bool = True) -> dict[str, int]:
    """How many views of each case of a part are needed."""
    return {"train": plan.augment.views if trains else 1, **dict.fromkeys(("val", "test"), plan.augment.evaluated)}
