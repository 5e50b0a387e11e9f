"""Each part of a plan proves, on the model that was built, that it acts; otherwise an error says what would make it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.reference import require_reference_fits
from fedgraft.common.heads.start import require_initial
from fedgraft.common.interfaces.alignment import ComparesScanners
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.interfaces.personalisation import FinishesModel, TrainsCopy
from fedgraft.common.interfaces.roles import HEAD, REFERENCE
from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.interfaces.test_time import Adapting
from fedgraft.common.losses.suitability import require_suited
from fedgraft.common.models.depths import require_depths
from fedgraft.common.models.frozen_part import IMAGES, Constant
from fedgraft.common.models.model import Model
from fedgraft.common.plan import parts
from fedgraft.common.plan.checks.privacy import require_no_statistics
from fedgraft.common.plan.plan import Plan


def require_acting(plan: Plan, model: Model, allowed: Iterable[str]) -> None:
    """Refuse what would have no effect on this model, or has no meaning for it.

    Raises:
        PlanError: names the option, and what to set.
    """
    require_suited(plan, allowed)
    network, constant = model.network, model.constant
    parameters = (name for name, _ in network.named_parameters())
    require_initial(plan, network.head, model.roles, allowed)
    require_depths(plan.train, plan.rounds, parameters, model.roles, model.stages)
    if plan.adapt.target is not None:
        adapting: Adapting = parts.build(plan.adapt.target, "adapt", plan.adapt.options, allowed)
        adapting.require_effect(network)
    if plan.alignment.target is not None:
        require_movable(network)
    require_no_statistics(plan, model.names("shared"))
    if plan.engine.keep and plan.backbone.precision == "mixed" and constant.what == IMAGES:
        raise PlanError("backbone.precision=mixed has no effect: no part of the backbone is constant; set it to auto")
    codes = constant.what == IMAGES and isinstance(model.spec, TableSpec) and bool(model.spec.cardinalities)
    require_evaluation(plan, allowed)
    require_vectors(plan, constant.shape, codes, allowed)
    require_mixable(plan, constant, network.backbone)
    require_reference_fits(plan, model.spec, allowed)


def require_scanners(alignment: object, column: str | None) -> None:
    """Refuse ``alignment.column`` if the alignment can't compare a site's own scanners.

    Raises:
        PlanError: so.
    """
    if column is not None and not isinstance(alignment, ComparesScanners):
        raise PlanError(
            f"alignment.column={column} has no effect: {type(alignment).__name__} compares a site with the reference "
            "only; set it to null, or use alignment=coral or mmd"
        )


def require_movable(network: nn.Module) -> None:
    """Refuse an alignment of features that training does not move.

    Raises:
        PlanError: nothing before the head is trained.
    """
    trained = (name for name, parameter in network.named_parameters() if parameter.requires_grad)
    if all(name.startswith((HEAD, REFERENCE)) for name in trained):
        raise PlanError(
            "alignment has no effect: only the head is trained, and the features before it can't move; free a stage "
            "(backbone.freeze), choose an adaptation, or set alignment=none"
        )


def require_effect(kept: Iterable[str], roles: Mapping[str, str], hold_out: Iterable[str]) -> None:
    """Refuse a personalisation that would leave nothing to share, or a site without its part.

    Args:
        kept: beginnings of names that it keeps at the site.
        roles: of every tensor, as decided.
        hold_out: sites that never train.

    Raises:
        PlanError: it would.
    """
    kept = tuple(kept)
    if not kept:
        return
    head = any(name.startswith("head.") for name in kept)
    what, option = ("a local head", "personal=none") if head else ("local layers", "adaptation.role=shared")
    if not any(role == "shared" and not name.startswith("reference.") for name, role in roles.items()):
        raise PlanError(
            f"with {what} nothing is shared; free a stage (backbone.freeze), choose an adaptation whose tensors are "
            f"shared (adaptation=ssf), or {option}"
        )
    if hold_out := tuple(hold_out):
        raise PlanError(f"{what} would never be trained at {', '.join(hold_out)}, which hold_out names; use {option}")


def require_evaluation(plan: Plan, allowed: Iterable[str]) -> None:
    """Refuse a personalisation of what sites evaluate, where the coordinator hears of no evaluation.

    Raises:
        PlanError: it would change nothing else.
    """
    personal = parts.chosen(plan.personal, "personal", allowed)
    if isinstance(personal, FinishesModel | TrainsCopy) and not plan.release.evaluation:
        raise PlanError(
            f"personal._target_={plan.personal.target} has no effect with release.evaluation=false: it changes what "
            "sites evaluate, not the shared model; set release.evaluation=true, or personal=none"
        )


def require_mixable(plan: Plan, constant: Constant, backbone: nn.Module) -> None:
    """Check what is kept of a case against the plan's mixing.

    Raises:
        PlanError: ``augment.cutmix`` needs rows and columns of pixels or of a stage's output, and there are none; or
            ``augment.mixup`` would mix the numbers of categories.
    """
    if plan.augment.cutmix and not _has_places(plan, constant, backbone):
        shape = " x ".join(map(str, constant.shape))
        what = "a row of the table" if plan.table is not None and constant.what == IMAGES else f"the {constant.what}"
        raise PlanError(
            f"augment.cutmix cuts rectangles out of what is trained on, and {what} ({shape}) has no places; free an "
            "earlier stage of a CNN (backbone.freeze), or use augment.mixup"
        )
    if plan.augment.mixup and plan.table is not None and plan.table.categorical and constant.what == IMAGES:
        raise PlanError(
            "augment.mixup has no meaning for the rows of a table with categories (table.categorical): between two "
            "categories there is nothing; set it to 0, or freeze the backbone and mix its features"
        )


def _has_places(plan: Plan, constant: Constant, backbone: nn.Module) -> bool:
    """Whether what is kept is ``(C, H, W)``: images, or a CNN's stage; tokens and channels-last stages are not."""
    if plan.table is not None or len(constant.shape) != 3:
        return False
    _, height, width = constant.shape
    last = str(getattr(backbone, "output_fmt", "NCHW")).upper().endswith("NHWC")  # timm: Swin and its relatives
    return height == width > 1 and (constant.what == IMAGES or not last)


def require_vectors(plan: Plan, shape: tuple[int, ...], codes: bool, allowed: Iterable[str]) -> None:
    """Refuse to make new cases of what can't be interpolated.

    Args:
        shape: of what is kept of a case, and trained on.
        codes: whether it holds codes of categorical columns.

    Raises:
        PlanError: says what to set.
    """
    sampling = plan.sampling
    if not isinstance(parts.chosen(sampling, "sampling", allowed), Synthesiser):
        return
    made = f"sampling._target_={sampling.target} makes new cases of vectors"
    if len(shape) > 1:
        raise PlanError(
            f"{made}, and this plan trains on {' x '.join(map(str, shape))} numbers of each case; set "
            "backbone.freeze=all with a head only, so that features are kept (and engine.keep=true), or sampling=over"
        )
    if codes:
        raise PlanError(
            f"{made}, and between two codes of a categorical column there is nothing; use backbone=identity, whose "
            "features are numbers, or sampling=over"
        )
    if plan.alignment.column is not None:
        raise PlanError(f"{made}, which no scanner took: set alignment.column=null, or sampling=over")
