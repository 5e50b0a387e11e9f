"""The model: backbone, adaptation layers, head, and the role of every tensor in its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fedgraft.common.errors import BackboneError
from fedgraft.common.interfaces import roles as roles_module
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.inputs import InputSpec, TableSpec
from fedgraft.common.interfaces.roles import Role
from fedgraft.common.models import roles
from fedgraft.common.models.frozen_part import Constant
from fedgraft.common.models.network import Network


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
        local = (name for name in self.names("local") if not name.startswith(roles_module.REFERENCE))
        return any(self.state[name].is_floating_point() for name in local)
