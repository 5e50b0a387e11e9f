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
from fedgraft.client.training.test_time import adapts
from fedgraft.common import tensors
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.interfaces.input_kind import InputFacts
from fedgraft.common.interfaces.personalisation import FinishesModel
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan import notebook
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.parts import chosen
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.frame import columns_of, text_of

_AT_ONCE = 64
_PLAIN = ("L", "RGB", "I;16")  # PIL's modes that convert directly to an array
_FILE, _ROW = "a file or an array", "a mapping from column to value"
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
            DataError: there is no case, or one can't be used; the message gives its position, from 0, and the reason.
        """
        with notebook.lent(self._parts), tempfile.TemporaryDirectory(prefix="fedgraft-cases-") as folder:
            context = InputContext(self.plan, self.plan.engine.trusted, Store(None), workers=0)
            listed = _listed(cases, Path(folder), context.kind.facts())
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
        PlanError: ``site`` is needed, or has no effect, or there is no such site, or it keeps no model of its own
            though its figures are of one.
        BackboneError: the folder holds no complete model.
    """
    untrained = replace(plan, backbone=replace(plan.backbone, pretrained=False))  # all weights are in the run's folder
    with notebook.lent(parts):
        model = build(untrained, None, plan.engine.trusted)
        personal = chosen(plan.personal, "personal", plan.engine.trusted)
    model.load(tensors.load(out / "model.safetensors"))
    finishes = isinstance(personal, FinishesModel)
    if site is not None or (finishes and model.needs_its_site):
        _require_kept(out / "sites", plan, site, finishes)
    if site is not None:
        model.load(_own_tensors(out / "sites", plan, site))
    elif model.needs_its_site:
        raise PlanError(
            f"a part of this model (layers, a head) stays at the sites; name one: model(site=...) with one of "
            f"{', '.join(_names(out / 'sites'))}"
        )
    return TrainedModel(model, plan, parts)


def _require_kept(sites: Path, plan: Plan, site: str | None, finishes: bool) -> None:
    """
    Args:
        finishes: whether sites train the final model further before they evaluate it.

    Raises:
        PlanError: there is no such site, or its figures are those of a model that it made for its evaluation only.
    """
    if site is not None and site not in _names(sites):
        raise PlanError(f"model(site={site!r}): the run's sites are {', '.join(_names(sites))}")
    section, done = ("adapt", "adapts") if site is not None and adapts(plan, site) else ("personal", "trains")
    if section == "personal" and (not finishes or site in plan.hold_out):
        return
    part = plan.adapt if section == "adapt" else plan.personal
    name = choice_of(section, str(part.target), part.options)
    called = "model()" if site is None else f"model(site={site!r})"
    raise PlanError(
        f"{called}: {section}={name} {done} the final model at a site for the site's evaluation only; the figures are "
        "of what that made, and sites do not keep it"
    )


def _own_tensors(sites: Path, plan: Plan, site: str) -> dict[str, Tensor]:
    """The tensors that a site stored for this plan: its local ones, and over them the whole copy that it trained."""
    files = sorted((sites / site / "state" / "local").glob(f"{plan.digest[:16]}-*.safetensors"))
    own = [file for file in files if not file.stem.endswith("-residual")]
    own.sort(key=lambda file: file.stem.endswith("-own"))  # RUN, then RUN-own, which takes the place of RUN's
    if not own:
        raise PlanError(f"model(site={site!r}) has no effect: this plan leaves nothing of a model at the sites")
    return {name: tensor for file in own for name, tensor in tensors.load(file).items()}


def _names(sites: Path) -> list[str]:
    return sorted(path.parent.name for path in sites.glob("*/site.yaml"))


def _listed(cases: Any, folder: Path, facts: InputFacts) -> list[Case]:
    """One `Case` per input; images in memory are written into ``folder``, so that they are read like files."""
    if hasattr(cases, "columns"):
        named = columns_of(cases)
        cases = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
    if isinstance(cases, str | bytes | Mapping) or not isinstance(cases, Sequence | np.ndarray):
        raise DataError("prepare takes a sequence of cases; of a single one make a list: [case]")
    if not len(cases):
        raise DataError("prepare: there is no case")
    _require_of_kind(cases, facts)
    arrays: dict[str, Any] = {}
    listed = [_case(place, case, folder / "images.npz", arrays) for place, case in enumerate(cases)]
    if arrays:
        np.savez(folder / "images.npz", **arrays)
    return listed


def _require_of_kind(cases: Sequence[Any] | np.ndarray[Any, Any], facts: InputFacts) -> None:
    wrong = next((place for place, case in enumerate(cases) if isinstance(case, Mapping) != facts.rows), None)
    if wrong is not None:
        given, wanted = (_FILE, _ROW) if facts.rows else (_ROW, _FILE)
        raise DataError(f"case {wrong} is {given}; this model takes {facts.a} for each case, as {wanted}")


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
