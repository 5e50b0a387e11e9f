"""Load a model from its folder, with the part of it that a site keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedgraft.client.site.machine import Machine
from fedgraft.client.site.own_tensors import kept_of
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.training.test_time import adapts
from fedgraft.common.calibration import calibration as calibrations
from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.decisions import decisions as decided
from fedgraft.common.decisions.decisions import Decisions
from fedgraft.common.errors import ModelError
from fedgraft.common.familiarity import familiarity
from fedgraft.common.familiarity.familiarity import Familiar
from fedgraft.common.features.moments import Moments
from fedgraft.common.features.scale import COMMON_MEAN, OWN, own_values
from fedgraft.common.interfaces.personalisation import FinishesModel
from fedgraft.common.interfaces.roles import SCALE
from fedgraft.common.model_folder.folder import ModelFolder
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.parts import chosen
from fedgraft.common.plan.plan import Plan


@dataclass(frozen=True)
class Call:
    """How the model was asked for, for messages.

    Attributes:
        text: what was asked (``model(site='birch')``, ``--site site.yaml``).
        to_do: how to name a site.
    """

    text: str
    to_do: str


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to predict.

    Attributes:
        model: holds all tensors, on the machine's device.
        trusted: packages from which parts may come.
        calibration, decisions, familiar: ``None`` if the folder holds none.
        site: whose own part it has, and whose rules for reading files are followed; ``None`` for nobody's.
        has_own_part: whether something of the model came from the site's state.
        scale_from_cases: whether features are to be scaled by moments of the cases that are given.
    """

    folder: ModelFolder
    model: Model
    machine: Machine
    trusted: tuple[str, ...]
    calibration: Calibration | None
    decisions: Decisions | None
    familiar: Familiar | None
    site: SiteFile | None
    has_own_part: bool
    scale_from_cases: bool

    @property
    def plan(self) -> Plan:
        return self.folder.plan


def load(
    folder: ModelFolder,
    call: Call,
    site: SiteFile | None,
    trusted: tuple[str, ...],
    machine: Machine,
    *,
    scale_from_cases: bool,
) -> LoadedModel:
    """Load a model onto a machine's device.

    Args:
        site: the site to predict at, whose own part of the model is loaded.
        trusted: packages from which parts may come; a site's file says which.
        scale_from_cases: whether a hospital that took no part may scale features by the cases that are given.

    Raises:
        ModelError: a part of the model stays at the sites, and is not here; or the folder lacks tensors of the model.
        PlanError: the plan's parts can't be built here.
    """
    plan = folder.plan
    untrained = replace(plan, backbone=replace(plan.backbone, pretrained=False))  # all weights are in the folder
    model = build(untrained, None, trusted)
    model.network.to(machine.device)
    finishes = isinstance(chosen(plan.personal, "personal", trusted), FinishesModel)
    if site is not None or (finishes and model.needs_its_site):
        _require_kept(plan, call, site, finishes)
    _load_all(model, folder)
    own = {} if site is None else kept_of(site.state, folder.about.plan_digest, folder.about.shared_digest)
    own = own or _common_scale(model)
    model.load(own)
    lacks = model.needs_its_site and not own
    if lacks:
        _require_scalable(model, plan, call, site, scale_from_cases)
    return LoadedModel(folder, model, machine, trusted, *_beside(folder), site, bool(own) and site is not None, lacks)


def _require_kept(plan: Plan, call: Call, site: SiteFile | None, finishes: bool) -> None:
    """
    Args:
        finishes: whether sites train the final model further before they evaluate it.

    Raises:
        ModelError: the site's figures are those of a model that it made for its evaluation only.
    """
    name = None if site is None else site.name
    section, done = ("adapt", "adapts") if name is not None and adapts(plan, name) else ("personal", "trains")
    if section == "personal" and (not finishes or name in plan.hold_out):
        return
    part = plan.adapt if section == "adapt" else plan.personal
    choice = choice_of(section, str(part.target), part.options)
    raise ModelError(
        f"{call.text}: {section}={choice} {done} the final model at a site for the site's evaluation only; the figures "
        "are of what that made, and sites do not keep it"
    )


def _beside(folder: ModelFolder) -> tuple[Calibration | None, Decisions | None, Familiar | None]:
    """What lies beside the model.

    Raises:
        DataError: it can't be read.
    """
    return (
        None if folder.calibration is None else calibrations.from_json(folder.calibration),
        None if folder.decisions is None else decided.from_json(folder.decisions),
        None if folder.familiarity is None else familiarity.from_json(folder.familiarity),
    )


def _load_all(model: Model, folder: ModelFolder) -> None:
    held = folder.tensors()
    lacking = sorted({*model.names("frozen"), *model.received} - set(held))
    if lacking:
        raise ModelError(f"{folder.path}: {len(lacking)} tensor(s) of the model are not there (first: {lacking[0]})")
    model.load(held)


def _common_scale(model: Model) -> dict[str, Tensor]:
    """The local scale where ``features.scale=auto`` chose the common moments, which come with the model; else
    nothing."""
    names = [name for name in model.names("given") if name.startswith(SCALE)]
    given = {name.removeprefix(SCALE): tensor for name, tensor in model.tensors(names).items()}
    if not model.has_local_scale or COMMON_MEAN not in given or bool(given[OWN] > 0):
        return {}
    nothing = Moments(0, torch.zeros_like(given[COMMON_MEAN]).double(), torch.zeros_like(given[COMMON_MEAN]).double())
    return {SCALE + name: value for name, value in own_values(model.network.scale, nothing, given, 0).items()}


def _require_scalable(model: Model, plan: Plan, call: Call, site: SiteFile | None, allowed: bool) -> None:
    """
    Raises:
        ModelError: the model can't be used without a site's own part.
    """
    at = "" if site is None else f"{call.text}: {site.name} keeps nothing of this model in {site.state}. "
    if model.is_trained_apart:
        raise ModelError(f"{at}a part of this model (layers, a head) stays at the sites; {call.to_do}")
    scale = f"features.scale={plan.features.scale}"
    if plan.features.scale == "own_balanced":
        why = "and needs the labels of its training cases for that"
    elif model.constant.what != FEATURES:
        why = "under the model before any training, which a model's folder does not hold"
    elif not allowed:
        why = "which stay there"
    else:
        return
    raise ModelError(
        f"{at}each site scales this model's features by moments of its own cases ({scale}), {why}; {call.to_do}"
    )
