"""A trained model for use from Python: on tensors, on cases in memory, and on files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, Inputs
from fedgraft.client.cohort.quarantine import REASONS, reason_of
from fedgraft.client.prediction.frames import as_frame
from fedgraft.client.prediction.in_memory import listed
from fedgraft.client.prediction.lines import lines_of
from fedgraft.client.prediction.loading import Call, LoadedModel, load
from fedgraft.client.prediction.predicting import Desk, inputs_of, predict_cases
from fedgraft.client.prediction.sites import find_site, simulated
from fedgraft.client.site.machine import machine_of
from fedgraft.common.errors import DataError, ModelError
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.plan import notebook
from fedgraft.common.plan.types import OURS
from fedgraft.common.runtime.scratch import scratch_folder

_AT_ONCE = 64


class TrainedModel(nn.Module):
    """A trained network in eval mode, without gradients, and its preparation of cases.

    Attributes:
        network: backbone, layers and head.
        plan: the plan of the run, without a simulation's data set.
        spec: the input of one case: ``shape``; for images also ``size``, ``channels``, ``mean`` and ``std``.
        classes: meaning of the outputs, in order; empty for survival, which has one output, the log hazard.
    """

    def __init__(self, loaded: LoadedModel, parts: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self.network: nn.Module = loaded.model.network
        self.plan, self.spec, self.classes = loaded.plan, loaded.model.spec, loaded.plan.data.classes
        self._loaded = loaded
        self._parts = dict(parts)  # that the plan names, of a notebook
        self.eval().requires_grad_(False)

    def __repr__(self) -> str:
        """A line, in the place of all layers: those are ``print(model.network)``."""
        shape = " x ".join(map(str, self.spec.shape))
        out = f"classes {', '.join(self.classes)}" if self.classes else "a log hazard"
        name, many = self.plan.backbone.name, sum(one.numel() for one in self.network.parameters())
        return f"<trained model: {name}, {many:,} weights; {shape} -> {out}>"

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(N, *spec.shape)`` float32, as made by `prepare`, to ``(N, outputs)`` float32 logits.

        Raises:
            ModelError: features are scaled by the cases that are given, which `predict` does.
        """
        if self._loaded.scale_from_cases:
            raise ModelError(
                f"features.scale={self.plan.features.scale}: this model scales features by moments of all cases that "
                "are given; use predict(cases), or load the model of a site"
            )
        device = next((parameter.device for parameter in self.parameters()), inputs.device)
        logits: Tensor = self.network(inputs.to(device))
        return logits

    def predict(self, cases: Any, prevalence: float | Sequence[float] | None = None) -> Any:
        """Predict cases, as ``fedgraft predict`` does: with the mean over views if the plan says ``augment.average``.

        Args:
            cases: as for `prepare`.
            prevalence: how common each scored class is among such cases (of two classes: the second), at which
                calibrated probabilities are given; ``None`` for where the model was calibrated.

        Returns:
            a line for each case (a pandas frame where pandas is installed, else a list of dictionaries): ``case``, its
            position from 0; ``row``, which of several cases that one file gave; ``reason``, why it can't be used, or
            empty; and the columns of `fedgraft.client.prediction.lines.lines_of`.

        Raises:
            DataError: there is no case, or one is not of the model's kind; or ``prevalence`` does not fit.
        """
        with self._at_work() as folder:
            desk = Desk(folder)
            given = listed(cases, folder, self._loaded.model.facts, "predict")
            found = predict_cases(self._loaded, given, desk, prevalence)
        places = [{"case": int(case.group or 0), "row": _row(case, given)} for case in found.cases]
        return as_frame(lines_of(found, places))

    def prepare(self, cases: Any) -> Tensor:
        """Prepare cases for the network with the same code as at a site: images are decoded, resized, harmonised and
        normalised, rows are encoded with the plan's means and vocabularies.

        Args:
            cases: for images, a sequence of files (DICOM, PNG, JPEG, TIFF, BMP), PIL images, or arrays: ``(H, W)`` or
                ``(H, W, 3)``, uint8, uint16 or floats in [0, 1]. For a table, a data frame, or a sequence of mappings
                from column to value. A file of several frames gives as many cases as the plan's ``dicom`` says.

        Returns:
            ``(N, *spec.shape)`` float32.

        Raises:
            DataError: there is no case, or one can't be used; the message gives its position, from 0, and the reason.
        """
        with self._at_work() as folder:
            given = listed(cases, folder, self._loaded.model.facts, "prepare")
            inputs = inputs_of(self._loaded, Desk(folder, workers=0))
            return _prepared(inputs, inputs.expanded(given))

    @contextmanager
    def _at_work(self) -> Iterator[Path]:
        everywhere = Path(tempfile.gettempdir())
        with notebook.lent(self._parts), scratch_folder(everywhere, "fedgraft-cases-") as folder:
            yield folder


def load_model(path: str | Path, site: str | Path | None = None, *, allow: Sequence[str] = ()) -> TrainedModel:
    """Load the model of a model folder, or of a run's, after every file in it was verified.

    Args:
        site: at which to predict: the path of its ``site.yaml``, whose rules for reading files are followed and whose
            state holds the site's own part of the model; or the name of a site of a simulation, in whose folder the
            model lies.
        allow: packages besides fedgraft from which the plan may use parts; a site's file says so itself.

    Raises:
        ModelError: the folder is not as it was written, or a part of the model stays at a site that is not given.
        PlanError: the plan's parts can't be built here.
    """
    folder = open_model(Path(path))
    text = "load_model(...)" if site is None else f"load_model(..., site={str(site)!r})"
    there = simulated(folder)
    named = f"one of {', '.join(there)}" if there else "the site.yaml of a site that trained it"
    found = None if site is None else find_site(site, folder, text)
    trusted = (*OURS, *allow) if found is None else (*found.trusted, *allow)
    call = Call(text, f"name it: load_model(..., site=...) with {named}")
    return TrainedModel(load(folder, call, found, trusted, machine_of(found), scale_from_cases=True), {})


def _row(case: Case, given: Sequence[Case]) -> int | None:
    return None if case.row == given[int(case.group or 0)].row else case.row


def _prepared(inputs: Inputs, cases: Sequence[Case]) -> Tensor:
    reasons = zip(cases, map(reason_of, inputs.verdicts(cases)), strict=True)
    bad = [f"case {case.group}: {reason} ({REASONS[reason]})" for case, reason in reasons if reason is not None]
    if bad:
        raise DataError("; ".join(bad))
    return torch.cat([batch for _, batch in inputs.batches([CaseView(case) for case in cases], _AT_ONCE)])
