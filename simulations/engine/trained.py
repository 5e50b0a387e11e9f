"""A run's trained model for use on new cases, with the preparation of its inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, InputContext, Inputs, factory_of
from fedgraft.client.cohort.quarantine import REASONS, reason_of
from fedgraft.client.site.row_store import Store
from fedgraft.common import tensors
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan import notebook
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.frame import columns_of, text_of

_AT_ONCE = 64
_PLAIN = ("L", "RGB", "I;16")  # PIL's modes that convert directly to an array
_GREY = {"1": "L", "LA": "L"}


class TrainedModel(nn.Module):
    """A trained network in eval mode, without gradients, and its preparation of cases.

    Attributes:
        network: backbone, layers and head.
        plan: the plan of the run.
        spec: the input of one case: ``shape``; for images also ``size``, ``channels``, ``mean`` and ``std``.
        classes: meaning of the outputs, in order; empty for survival, which has one output, the log hazard.
    """

    def __init__(self, model: Model, plan: Plan, parts: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self.network: nn.Module = model.network
        self.plan, self.spec, self.classes = plan, model.spec, plan.data.classes
        self._parts = dict(parts)  # that the plan names, of a notebook
        self.eval().requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(N, *spec.shape)`` float32, as made by `prepare`, to ``(N, outputs)`` float32 logits."""
        logits: Tensor = self.network(inputs)
        return logits

    def prepare(self, cases: Any) -> Tensor:
        """Prepare cases for the network with the same code as at a site: images are decoded, resized, harmonised and
        normalised, rows are encoded with the plan's means and vocabularies.

        Args:
            cases: for images, a sequence of files (DICOM, PNG, JPEG, TIFF), PIL images, or arrays: ``(H, W)`` or
                ``(H, W, 3)``, uint8, uint16 or floats in [0, 1]. For a table, a data frame, or a sequence of mappings
                from column to value. A file of several frames gives as many cases as the plan's ``dicom`` says.

        Returns:
            ``(N, *spec.shape)`` float32.

        Raises:
            DataError: a case can't be used; the message gives its position, from 0, and the reason.
        """
        with notebook.lent(self._parts), tempfile.TemporaryDirectory(prefix="fedgraft-cases-") as folder:
            listed = _listed(cases, Path(folder))
            context = InputContext(self.plan, self.plan.engine.trusted, Store(None), workers=0)
            inputs = factory_of(context.kind, context.trusted).inputs(context)
            return _prepared(inputs, inputs.expanded(listed))


def load_trained(out: Path, plan: Plan, site: str | None, parts: Mapping[str, Callable[..., Any]]) -> TrainedModel:
    """The final model of a run.

    Args:
        out: the run's folder.
        plan: the plan of that run.
        site: the site for whose personalised model its local tensors are loaded.
        parts: the notebook's classes that the plan names.

    Raises:
        PlanError: ``site`` is needed, or has no effect, or there is no such site.
        BackboneError: the folder holds no complete model.
    """
    untrained = replace(plan, backbone=replace(plan.backbone, pretrained=False))  # all weights are in the run's folder
    with notebook.lent(parts):
        model = build(untrained, None, plan.engine.trusted)
    model.load(tensors.load(out / "model.safetensors"))
    if site is not None:
        model.load(_own_tensors(out / "sites", plan, site))
    elif model.needs_its_site:
        raise PlanError(
            f"a part of this model (layers, a head) stays at the sites; name one: model(site=...) with one of "
            f"{', '.join(_names(out / 'sites'))}"
        )
    return TrainedModel(model, plan, parts)


def _own_tensors(sites: Path, plan: Plan, site: str) -> dict[str, Tensor]:
    """The tensors that a site stored for this plan: its local ones, or the whole copy that it trained."""
    if site not in _names(sites):
        raise PlanError(f"model(site={site!r}): the run's sites are {', '.join(_names(sites))}")
    files = sorted((sites / site / "state" / "local").glob(f"{plan.digest[:16]}-*.safetensors"))
    own = [file for file in files if not file.stem.endswith("-residual")]
    if not own:
        raise PlanError(f"model(site={site!r}) has no effect: this plan leaves nothing of a model at the sites")
    return {name: tensor for file in own for name, tensor in tensors.load(file).items()}  # RUN, then RUN-own


def _names(sites: Path) -> list[str]:
    return sorted(path.parent.name for path in sites.glob("*/site.yaml"))


def _listed(cases: Any, folder: Path) -> list[Case]:
    """One `Case` per input; images in memory are written into ``folder``, so that they are read like files."""
    if hasattr(cases, "columns"):
        named = columns_of(cases)
        cases = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
    if isinstance(cases, str | bytes | Mapping) or not isinstance(cases, Sequence | np.ndarray):
        raise DataError("prepare takes a sequence of cases; of a single one make a list: [case]")
    arrays: dict[str, Any] = {}
    listed = [_case(place, case, folder / "images.npz", arrays) for place, case in enumerate(cases)]
    if arrays:
        np.savez(folder / "images.npz", **arrays)
    return listed


def _case(place: int, case: Any, file: Path, arrays: dict[str, Any]) -> Case:
    if isinstance(case, str | Path):
        return Case(str(Path(case).expanduser().absolute()), "", str(place))
    if isinstance(case, Mapping):
        cells = tuple((str(name), text_of(value)) for name, value in case.items())
        return Case(str(file), "", str(place), row=place, columns=cells)
    mode = getattr(case, "mode", "L")  # PIL images have a mode
    plain = case if mode in _PLAIN else case.convert(_GREY.get(mode, "RGB"))
    arrays[f"image{place}"] = np.asarray(plain)[None]
    return Case(f"{file}::image{place}", "", str(place), row=0)


def _prepared(inputs: Inputs, cases: Sequence[Case]) -> Tensor:
    reasons = zip(cases, map(reason_of, inputs.verdicts(cases)), strict=True)
    bad = [f"case {case.patient}: {reason} ({REASONS[reason]})" for case, reason in reasons if reason is not None]
    if bad:
        raise DataError("; ".join(bad))
    return torch.cat([batch for _, batch in inputs.batches([CaseView(case) for case in cases], _AT_ONCE)])
