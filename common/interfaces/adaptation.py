"""What an adaptation is, and what it says of itself.

An adaptation is a callable ``(backbone, stages, spec) -> Adapted``. It gets the backbone with ``requires_grad`` set as
``backbone.freeze`` says, adds forward hooks, and leaves the names of the backbone's state as they are: its digest stays
true. It says which tensors it governs and which role it claims for them; `fedgraft.common.models.roles` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import nn

from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import Role, TrainedRole


@dataclass(frozen=True)
class Adapted:
    """What an adaptation did.

    Attributes:
        layers: new modules; their tensors are ``adapters.<name>.*``. A name is a stage's, with ``_`` for its dots;
            where a stage has several layers, it names an `nn.ModuleDict` of them.
        claims: role by name, for tensors of the backbone's own state.
        training_modules: paths of backbone modules that use batch statistics while training.
        follows: paths of hooked modules whose hook sees their output alone: what is constant may end at such a module.
            At any other hooked module it ends before the stage that holds it.
        role: of all tensors of ``layers``.
    """

    layers: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    claims: dict[str, Role] = field(default_factory=dict)
    training_modules: frozenset[str] = frozenset()
    follows: frozenset[str] = frozenset()
    role: TrainedRole = "shared"


@runtime_checkable
class Adaptation(Protocol):
    """What a plan's ``adaptation._target_`` must be."""

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted: ...


@dataclass(frozen=True)
class Stage:
    """A stage of a backbone.

    ``tensors`` are names in the backbone's state; ``output`` is the module whose output is the stage's; ``units`` are
    the modules that make it up, in order.
    """

    name: str
    tensors: tuple[str, ...]
    output: str | None
    units: tuple[str, ...] = ()
