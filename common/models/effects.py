"""Check that each part of a plan has an effect on the built model; an error says what to change where it has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fedgraft.common.errors import PlanError
from fedgraft.common.exact.suitability import require_fittable
from fedgraft.common.heads.start import require_initial
from fedgraft.common.interfaces.alignment import ComparesScanners
from fedgraft.common.interfaces.input_kind import InputFacts
from fedgraft.common.interfaces.personalisation import FinishesModel, TrainsCopy
from fedgraft.common.interfaces.roles import HEAD, REFERENCE
from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.interfaces.test_time import Adapting
from fedgraft.common.losses.suitability import require_suited
from fedgraft.common.models.depths import require_depths
from fedgraft.common.models.frozen_part import FEATURES, INPUTS, Constant
from fedgraft.common.models.model import Model
from fedgraft.common.models.network import Network
from fedgraft.common.plan import parts
from fedgraft.common.plan.checks.privacy import require_no_statistics
from fedgraft.common.plan.choice_names import choice_of, choice_of_part
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.step_checks import require_single_cases


def require_acting(plan: Plan, model: Model, allowed: Iterable[str]) -> None:
    """Refuse a plan with an option that has no effect on this model, or no meaning for it.

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
        if getattr(adapting, "needs_classes", False) and plan.data.task != "classification":
            raise PlanError(f"adapt: {plan.adapt.target} needs data.task=classification; use adapt=none")
    if plan.alignment.target is not None:
        require_movable(network)
    require_batches(plan, network)
    require_no_statistics(plan, model.names("shared"))
    norms = [path for path in network.training_modules if isinstance(network.backbone.get_submodule(path), _BatchNorm)]
    require_single_cases(plan, norms, model.names("local"))
    if plan.engine.keep and plan.backbone.precision == "mixed" and constant.what == INPUTS:
        raise PlanError("backbone.precision=mixed has no effect: no part of the backbone is constant; set it to auto")
    require_evaluation(plan, allowed)
    require_vectors(plan, constant.shape, constant.what == INPUTS and model.facts.codes, allowed)
    require_mixable(plan, constant, network.backbone, model.facts)
    kept = constant.what == FEATURES
    require_fittable(plan, network.head, model.head_width, model.names("shared"), kept, allowed)


def require_batches(plan: Plan, network: Network) -> None:
    """Refuse batches of one case, where batch norm is trained by the statistics of a batch.

    Raises:
        PlanError: so.
    """
    paths = network.training_modules if plan.train.batch_size == 1 else ()
    if any(isinstance(network.backbone.get_submodule(path), _BatchNorm) for path in paths):
        raise PlanError("train.batch_size=1 gives batch norm no statistics to learn from; use 2 or more")


def require_scanners(alignment: object, column: str | None) -> None:
    """Check that the alignment can compare a site's own scanners if ``alignment.column`` is set.

    Raises:
        PlanError: it can't.
    """
    if column is not None and not isinstance(alignment, ComparesScanners):
        name = choice_of_part("alignment", type(alignment))
        raise PlanError(
            f"alignment.column={column} has no effect: alignment={name} compares a site with the reference "
            "only; set it to null, or use alignment=coral or mmd"
        )


def require_movable(network: nn.Module) -> None:
    """Refuse an alignment of features that training can't change.

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
    """Refuse local tensors if nothing else is shared, or if sites that never train would need them.

    Args:
        kept: prefixes of the names of local tensors.
        roles: the role of every tensor.
        hold_out: names of sites that never train.

    Raises:
        PlanError: there are none, nothing else is shared, or ``hold_out`` is not empty.
    """
    kept = tuple(kept)
    if not kept:
        return
    head = any(name.startswith("head.") for name in kept)
    what, option = ("a local head", "personal=none") if head else ("local layers", "adaptation.role=shared")
    if not any(name.startswith(kept) for name in roles):
        raise PlanError(
            f"personal keeps {', '.join(kept)} at each site, and the model has no such tensor; use {option}"
        )
    if not any(role == "shared" and not name.startswith("reference.") for name, role in roles.items()):
        raise PlanError(
            f"with {what} nothing is shared; free a stage (backbone.freeze), choose an adaptation whose tensors are "
            f"shared (adaptation=ssf), or {option}"
        )
    if hold_out := tuple(hold_out):
        raise PlanError(f"{what} would never be trained at {', '.join(hold_out)}, which hold_out names; use {option}")


def require_evaluation(plan: Plan, allowed: Iterable[str]) -> None:
    """Refuse a personalisation that only changes what sites evaluate if no evaluation is sent to the coordinator.

    Raises:
        PlanError: ``personal`` is such a one, and ``release.evaluation`` is false.
    """
    personal = parts.chosen(plan.personal, "personal", allowed)
    if isinstance(personal, FinishesModel | TrainsCopy) and not plan.release.evaluation:
        name = choice_of("personal", str(plan.personal.target))
        raise PlanError(
            f"personal={name} has no effect with release.evaluation=false: it changes what "
            "sites evaluate, not the shared model; set release.evaluation=true, or personal=none"
        )


def require_mixable(plan: Plan, constant: Constant, backbone: nn.Module, facts: InputFacts) -> None:
    """Check that CutMix and mixup can be applied to what training sees of a case.

    Raises:
        PlanError: ``augment.cutmix`` is set but inputs have no rows and columns (of pixels or of a stage's output), or
            ``augment.mixup`` would mix codes of categories.
    """
    if plan.augment.cutmix and not _is_spatial(constant, backbone):
        shape = " x ".join(map(str, constant.shape))
        what = facts.a if constant.what == INPUTS else f"the {constant.what}"
        raise PlanError(
            f"augment.cutmix cuts rectangles out of what is trained on, and {what} ({shape}) has no places; free an "
            "earlier stage of a CNN (backbone.freeze), or use augment.mixup"
        )
    if plan.augment.mixup and facts.codes and constant.what == INPUTS:
        raise PlanError(
            f"augment.mixup has no meaning for {facts.a} with categories: between two categories there is nothing; "
            "set it to 0, or freeze the backbone and mix its features"
        )


def _is_spatial(constant: Constant, backbone: nn.Module) -> bool:
    """Whether training sees ``(C, H, W)`` of a case: an image, or the output of a CNN's stage. Tokens and channels-last
    outputs are not."""
    if len(constant.shape) != 3:
        return False
    _, height, width = constant.shape
    last = str(getattr(backbone, "output_fmt", "NCHW")).upper().endswith("NHWC")  # timm: Swin and its relatives
    return height == width > 1 and (constant.what == INPUTS or not last)


def require_vectors(plan: Plan, shape: tuple[int, ...], codes: bool, allowed: Iterable[str]) -> None:
    """Refuse a sampling that interpolates between cases (a `Synthesiser`) if they are not vectors of plain numbers.

    Args:
        shape: of one case as training sees it.
        codes: whether it holds codes of categorical columns.

    Raises:
        PlanError: it can't be interpolated; the message says what to set.
    """
    sampling = plan.sampling
    if not isinstance(parts.chosen(sampling, "sampling", allowed), Synthesiser):
        return
    made = f"sampling={choice_of('sampling', str(sampling.target), sampling.options)} makes new cases of vectors"
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
