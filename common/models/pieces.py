"""The pieces of a backbone of several frozen networks: each is sent, verified, computed and kept by itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fedgraft.common.features.choose import said
from fedgraft.common.kinds.several import Member, Several
from fedgraft.common.models.frozen_part import FEATURES, Computation, Piece
from fedgraft.common.plan.feature_sections import FeaturesSection
from fedgraft.common.plan.plan import Plan

State = dict[str, Tensor]


def pieces_of(backbone: nn.Module, section: FeaturesSection, layout: torch.memory_format) -> tuple[Piece, ...]:
    """A piece for each of several networks, in order; empty for any other backbone.

    Args:
        layout: torch's memory format of a batch of inputs.
    """
    if not isinstance(backbone, Several):
        return ()
    found = []
    for index, (network, member) in enumerate(zip(section.networks, backbone.members, strict=True)):
        assert isinstance(member, Member)
        blank = torch.zeros(1, member.spec.channels, member.spec.size, member.spec.size)
        compute = Computation(member, _outputs, layout)
        name = f"{FEATURES}|{network.name}@{member.spec.size}{said(section)}"
        found.append(Piece(name, f"members.{index}.backbone.", tuple(compute(blank).shape[1:]), compute))
    return tuple(found)


def _outputs(member: nn.Module, inputs: Tensor) -> Tensor:
    features: Tensor = member(inputs)
    return features


def split(state: Mapping[str, Tensor], pieces: tuple[Piece, ...]) -> list[State]:
    """A backbone's state, piece by piece under the names that each network gives its tensors; the whole state if it is
    one piece."""
    if not pieces:
        return [dict(state)]
    return [
        {name.removeprefix(one.prefix): tensor for name, tensor in state.items() if name.startswith(one.prefix)}
        for one in pieces
    ]


def joined(states: list[State], plan: Plan) -> State:
    """The state of the whole backbone, from those of its pieces, as the plan's model is split."""
    if not (plan.features.networks and plan.engine.keep):
        return states[0]
    return {f"members.{index}.backbone.{name}": t for index, state in enumerate(states) for name, t in state.items()}
