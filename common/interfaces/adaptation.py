"""Domain adaptation of a backbone: what a plan's ``adaptation._target_`` must be.

An adaptation gets the backbone with ``requires_grad`` set as ``backbone.freeze`` says. It adds forward hooks, and must
not change the names in the backbone's state, by which its digest is computed. It states which roles it claims for
tensors; `fedgraft.common.models.roles` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import nn

from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import Role, TrainedRole


@dataclass(frozen=True)
class Adapted:
    """The changes that an adaptation made.

    Attributes:
        layers: new modules; their tensors are ``adapters.<name>.*``. The name is the stage's, with ``_`` for dots; if a
            stage has several layers, it names an `nn.ModuleDict` of them.
        claims: roles by name, for tensors of the backbone's own state.
        training_modules: paths of backbone modules that are in train mode while training (batch norm).
        follows: paths of modules whose hook uses only their output: the constant part may end with such a module. With
            any other hook, it ends before the module's stage.
        role: of all tensors of ``layers``.
    """

    layers: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    claims: dict[str, Role] = field(default_factory=dict)
    training_modules: frozenset[str] = frozenset()
    follows: frozenset[str] = frozenset()
    role: TrainedRole = "shared"


@runtime_checkable
class Adaptation(Protocol):
    """Adapts a backbone, for instance by inserting layers."""

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Change ``backbone`` in place.

        Raises:
            PlanError: the adaptation would have no effect on this backbone.
        """
        ...


@dataclass(frozen=True)
class Stage:
    """A stage of a backbone.

    ``tensors``: names in the backbone's state. ``output``: path of the module whose output is the stage's; ``None`` if
    there is none. ``units``: paths of the modules that make up the stage, in order.
    """

    name: str
    tensors: tuple[str, ...]
    output: str | None
    units: tuple[str, ...] = ()
