"""Decide the role of each tensor in a model's state; this is the only place that does.

``frozen``: constant, part of the backbone that is sent once. ``shared``: aggregated every round. ``local``: never
leaves the site. Integer buffers (batch norm's ``num_batches_tracked``) are never averaged: they are frozen or local.
Of an alignment's ``reference.*``, buffers are shared and parameters (a site's discriminator) local.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fedgraft.common.interfaces.roles import REFERENCE, Role


def assign(
    state: Mapping[str, Tensor],
    parameters: frozenset[str],
    frozen: frozenset[str],
    claims: Mapping[str, Role],
    average_statistics: bool,
    local: tuple[str, ...],
) -> dict[str, Role]:
    """Decide every tensor's role, by name.

    Args:
        state: the model's state dict; names start with ``backbone.``, ``adapters.``, ``head.`` or ``reference.``.
        parameters: the names in ``state`` of parameters, as opposed to buffers.
        frozen: the names in ``state`` that ``backbone.freeze`` keeps constant.
        claims: roles that the adaptation claims, by name in ``state``; they override ``frozen``.
        average_statistics: whether floating-point buffers of trained stages are shared (``backbone.batch_norm=train``)
            or keep their pretrained values.
        local: prefixes of names whose tensors are local instead of shared.
    """
    decided = {
        name: _role(name, tensor, parameters, frozen, claims, average_statistics) for name, tensor in state.items()
    }
    return {name: "local" if role == "shared" and name.startswith(local) else role for name, role in decided.items()}


def _role(
    name: str,
    tensor: Tensor,
    parameters: frozenset[str],
    frozen: frozenset[str],
    claims: Mapping[str, Role],
    average_statistics: bool,
) -> Role:
    if name.startswith(REFERENCE):
        return "local" if name in parameters else "shared"
    if name in claims:
        return "local" if claims[name] == "shared" and not tensor.is_floating_point() else claims[name]
    if name in frozen:
        return "frozen"
    if not tensor.is_floating_point():
        return "local" if average_statistics else "frozen"
    if name not in parameters and not average_statistics:
        return "frozen"
    return "shared"


def names_of(roles: Mapping[str, Role], role: Role) -> tuple[str, ...]:
    """The names that have ``role``, sorted."""
    return tuple(sorted(name for name, given in roles.items() if given == role))
