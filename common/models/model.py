"""The model: backbone, adaptation layers, head, and the role of every tensor in its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fedgraft.common import tensors as tensors_module
from fedgraft.common.errors import BackboneError
from fedgraft.common.interfaces import roles as roles_module
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.features import Group
from fedgraft.common.interfaces.input_kind import InputFacts
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import Role
from fedgraft.common.models import roles
from fedgraft.common.models.frozen_part import FEATURES, Constant
from fedgraft.common.models.network import Network
from fedgraft.common.models.pieces import split


@dataclass(frozen=True)
class Model:
    """A network, and what coordinator and sites must know about it.

    Attributes:
        name: the backbone's name.
        network: backbone, adaptation layers and head.
        spec, facts: the network's input.
        groups: of the features, by the module that they come from, in order.
        stages: the backbone's, in order.
        roles: the role of every tensor in the network's state, by name.
        constant: the part that is computed once per case, and the rest, which is trained.
    """

    name: str
    network: Network
    spec: Shaped
    facts: InputFacts
    groups: tuple[Group, ...]
    stages: tuple[Stage, ...]
    roles: dict[str, Role]
    constant: Constant

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """The network's state dict, cached (read it only after the network was moved to its device)."""
        return self.network.state_dict()

    @cached_property
    def trained(self) -> dict[str, Tensor]:
        """The network's parameters that have a gradient, by name, as the plan says; looked for once."""
        return {name: parameter for name, parameter in self.network.named_parameters() if parameter.requires_grad}

    @property
    def width(self) -> int:
        """The number of features of a case."""
        return sum(group.width for group in self.groups)

    @property
    def scaled_width(self) -> int:
        """The number of means and deviations by which features are scaled; 0 if by none."""
        return max(
            (len(tensor) for name, tensor in self.state.items() if name.startswith(roles_module.SCALE)), default=0
        )

    @property
    def head_width(self) -> int:
        """The number of features that enter the head."""
        keep: int = getattr(self.network.keep, "keep", self.width)
        return keep

    @property
    def taken(self) -> tuple[int, ...]:
        """The shape of one case as ``constant.trained`` takes it: as it is kept, but of features only the head's."""
        return (self.head_width,) if self.constant.what == FEATURES else self.constant.shape

    def names(self, role: Role) -> tuple[str, ...]:
        if role not in self._named:
            self._named[role] = roles.names_of(self.roles, role)
        return self._named[role]

    @cached_property
    def _named(self) -> dict[Role, tuple[str, ...]]:
        """By role, the names that `names` was asked for."""
        return {}

    def tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Copies of the named tensors, on the CPU."""
        state = self.state
        return {name: state[name].detach().cpu().clone() for name in names}

    def backbone_state(self) -> dict[str, Tensor]:
        """Copies, on the CPU, of all the backbone's tensors, under their names without the ``backbone.`` prefix."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.network.backbone.state_dict().items()}

    def backbone_pieces(self) -> list[tuple[str, dict[str, Tensor]]]:
        """The digest and the state of each of the backbone's pieces (several networks; else one), in order."""
        states = split(self.backbone_state(), self.constant.pieces)
        return [(tensors_module.digest(state), state) for state in states]

    def backbone_states(self) -> dict[str, dict[str, Tensor]]:
        """The states of the backbone's pieces by digest, under the names of each."""
        return dict(self.backbone_pieces())

    @property
    def backbone_name(self) -> str:
        """What names the backbone on the wire: its digest, or those of its pieces, joined by ``+``."""
        return "+".join(digest for digest, _ in self.backbone_pieces())

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
    def received(self) -> tuple[str, ...]:
        """The names of the tensors that come with each message: the shared ones, and those that are given."""
        return (*self.names("shared"), *self.names("given"))

    @property
    def needs_its_site(self) -> bool:
        """Whether the model can only be run at a site, since tensors of its forward pass are local."""
        return self.is_trained_apart or self.has_local_scale

    @property
    def has_local_scale(self) -> bool:
        """Whether each site scales features by moments of its own cases."""
        return any(name.startswith(roles_module.SCALE) for name in self.names("local"))

    @property
    def is_trained_apart(self) -> bool:
        """Whether sites train tensors of the forward pass that they keep for themselves."""
        aside = (roles_module.REFERENCE, roles_module.SCALE)
        local = (name for name in self.names("local") if not name.startswith(aside))
        return any(self.state[name].is_floating_point() for name in local)
