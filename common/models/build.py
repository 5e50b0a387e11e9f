"""Build a plan's model: backbone, layers, head, the role of every tensor, and where the constant part ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from fedgraft.common.adaptation import batch_norm
from fedgraft.common.adaptation.insertion import is_within, stage_of
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.features.bags import bag_of, scale_for
from fedgraft.common.features.choose import reading_of
from fedgraft.common.features.keep import keep_of
from fedgraft.common.features.stages import find_stages, frozen_tensors
from fedgraft.common.interfaces import adaptation as adapters
from fedgraft.common.interfaces import roles
from fedgraft.common.interfaces.adaptation import Adapted, Stage
from fedgraft.common.interfaces.alignment import Alignment
from fedgraft.common.interfaces.features import Bag, Group, Reading
from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.personalisation import KeepsTensors, Personalisation
from fedgraft.common.interfaces.roles import Role
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.models import roles as roles_module
from fedgraft.common.models.bag_checks import require_no_vectors, require_weighing_head
from fedgraft.common.models.cut import Cut, find_cut
from fedgraft.common.models.effects import require_acting, require_effect, require_scanners
from fedgraft.common.models.frozen_part import Constant, Piece, nothing, up_to_a_stage, up_to_the_head
from fedgraft.common.models.model import Model
from fedgraft.common.models.network import Network, measure_groups
from fedgraft.common.models.pieces import pieces_of
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS
from fedgraft.common.seeding import seed_generators


def build(plan: Plan, backbone: Mapping[str, Tensor] | None, allowed: Iterable[str] = OURS) -> Model:
    """Build the plan's model; the same plan and backbone give the same initial state everywhere.

    Args:
        backbone: the backbone's state as `Model.backbone_state` gives it; ``None`` for the plan's own (pretrained
            weights, or random ones drawn from the plan's seed).
        allowed: packages from which parts may come.

    Raises:
        PlanError: a part, stage or size of the plan does not suit the model.
        BackboneError: weights are missing or do not fit.
    """
    kind = _kind(plan, allowed)
    facts = kind.facts()
    with torch.random.fork_rng(devices=[]):
        seed_generators(plan.seed)
        base, spec = kind.backbone(backbone is None and plan.backbone.pretrained)
        if backbone is not None:
            _load_strict(base, backbone)
        reading = None if plan.features.networks else reading_of(plan.features, base, allowed)
        groups = measure_groups(base, spec, reading, facts.unfit)
        bag = _bag(plan, reading, groups, allowed)
        width = plan.features.keep or sum(group.width for group in groups)
        stages = find_stages(base)
        frozen = frozen_tensors(stages, plan.backbone.freeze)
        for name, parameter in base.named_parameters():
            parameter.requires_grad_(name not in frozen)
        seed_generators(plan.seed)
        adapted = _adapt(plan, base, stages, spec, allowed)
        seed_generators(plan.seed)
        head = _head(plan, width, bag, allowed)
    dropouts = _dropouts(base, stages, frozen) if facts.trains_dropout else frozenset[str]()
    training = dropouts | adapted.training_modules | _batch_norms(plan, base, frozen)
    scale, keep = scale_for(plan.features, groups, bag), keep_of(plan.features.keep, groups)
    network = Network(base, adapted.layers, head, training, _reference(plan, width, allowed), reading, scale, keep)
    decided = _roles(plan, network, frozen, adapted, allowed)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(decided[name] != "frozen" and not name.startswith(roles.REFERENCE))
    network.to(memory_format=facts.layout)
    network.eval()
    whole = Model(plan.backbone.name, network, spec, facts, groups, stages, decided, nothing(network, spec))
    pieces = pieces_of(base, plan.features, facts.layout)
    model = replace(whole, constant=_constant(whole, adapted.follows, pieces)) if plan.engine.keep else whole
    require_acting(plan, model, allowed)
    return model


def _kind(plan: Plan, allowed: Iterable[str]) -> InputKind:
    """
    Raises:
        PlanError: some of the plan has no meaning for its kind of input.
    """
    kind = kind_of(plan, allowed)
    if problems := kind.problems():
        raise PlanError(problems)
    return kind


def _bag(plan: Plan, reading: Reading | None, groups: tuple[Group, ...], allowed: Iterable[str]) -> Bag | None:
    bag = bag_of(reading, groups)
    require_weighing_head(plan, bag, allowed)
    require_no_vectors(plan, bag, allowed)
    return bag


def _head(plan: Plan, width: int, bag: Bag | None, allowed: Iterable[str]) -> nn.Module:
    head: nn.Module = parts.build(
        plan.head.target, "head", plan.head.options, allowed, width=width, classes=plan.data.outputs, bag=bag
    )
    return head


def _constant(model: Model, follows: frozenset[str], pieces: tuple[Piece, ...]) -> Constant:
    if _head_only(model.roles, model.network):
        return up_to_the_head(model.network, model.width, model.facts.layout, pieces)
    cut = _cut(model.network, model.stages, model.spec, model.roles, follows)
    return model.constant if cut is None else up_to_a_stage(model.network, cut, model.facts.layout)


def _head_only(decided: Mapping[str, Role], network: Network) -> bool:
    """Whether nothing but the head can change during training."""
    aside = (roles.REFERENCE, *roles.BEFORE_HEAD)
    trained = (name for name, role in decided.items() if role != "frozen" and not name.startswith(aside))
    return all(name.startswith(roles.HEAD) for name in trained) and not network.training_modules


def _cut(
    network: Network, stages: tuple[Stage, ...], spec: Shaped, decided: Mapping[str, Role], follows: frozenset[str]
) -> Cut | None:
    hooked = {path for path, m in network.backbone.named_modules() if m._forward_hooks or m._forward_pre_hooks}
    changing = network.training_modules | (hooked - follows)
    if any(stage_of(path, stages) is None for path in changing):
        return None  # a module outside of every stage may be called before any of them

    def constant(stage: Stage) -> bool:
        frozen = all(decided[roles.BACKBONE + name] == "frozen" for name in stage.tensors)
        within = {path for path in follows if path != stage.output} | changing
        return frozen and not any(is_within(path, stage) for path in within)

    return find_cut(network.backbone, stages, spec.shape, constant, set(follows))


def _load_strict(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise BackboneError("the distributed backbone does not fit the plan's backbone.name") from error


def _adapt(plan: Plan, base: nn.Module, stages: tuple[Stage, ...], spec: Shaped, allowed: Iterable[str]) -> Adapted:
    if plan.adaptation.target is None:
        return Adapted()
    adaptation: adapters.Adaptation = parts.build(
        plan.adaptation.target, "adaptation", plan.adaptation.options, allowed
    )
    return adaptation(base, stages, spec)


def _dropouts(base: nn.Module, stages: tuple[Stage, ...], frozen: frozenset[str]) -> frozenset[str]:
    """Paths of the dropout modules of trained stages; a frozen stage must stay a constant function of the case."""
    free = tuple(f"{unit}." for stage in stages if not frozen.issuperset(stage.tensors) for unit in stage.units)
    return frozenset(
        path for path, module in base.named_modules() if isinstance(module, nn.Dropout) and path.startswith(free)
    )


def _batch_norms(plan: Plan, base: nn.Module, frozen: frozenset[str]) -> frozenset[str]:
    if plan.backbone.batch_norm == "eval":
        return frozenset()
    free = {path for path in batch_norm.batch_norms(base) if f"{path}.running_mean" not in frozen}
    if not free:
        raise PlanError("backbone.batch_norm=train has no effect: no trained stage has a batch norm; use eval")
    return frozenset(free)


def _reference(plan: Plan, width: int, allowed: Iterable[str]) -> nn.Module | None:
    if plan.alignment.target is None:
        return None
    alignment: Alignment = parts.build(plan.alignment.target, "alignment", plan.alignment.options, allowed)
    require_scanners(alignment, plan.alignment.column)
    return alignment.reference(width, plan.data.outputs if plan.alignment.per_class else 1)


def _roles(
    plan: Plan, network: Network, frozen: frozenset[str], adapted: Adapted, allowed: Iterable[str]
) -> dict[str, Role]:
    local: tuple[str, ...] = (roles.ADAPTERS,) if adapted.role == "local" else ()
    personal: Personalisation | None = parts.chosen(plan.personal, "personal", allowed)
    if isinstance(personal, KeepsTensors):
        local += personal.local()
    decided = roles_module.assign(
        network.state_dict(),
        frozenset(name for name, _ in network.named_parameters()),
        frozenset(roles.BACKBONE + name for name in frozen),
        {roles.BACKBONE + name: role for name, role in adapted.claims.items()}
        | {roles.SCALE + name: role for name, role in getattr(network.scale, "roles", {}).items()}
        | {roles.KEEP + name: role for name, role in getattr(network.keep, "roles", {}).items()},
        plan.backbone.batch_norm == "train",
        local,
    )
    require_effect(local, decided, plan.hold_out)
    return decided
