"""What a site puts into the reference: means over its own training cases, as far as they may leave."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedgraft.client.evaluation import predict
from fedgraft.client.examples import Examples
from fedgraft.client.release import may_tell_moments
from fedgraft.client.site import Release as Permission
from fedgraft.common.alignment import Alignment
from fedgraft.common.reference import Reference


def features_before_head(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """``(N, F)`` float32 on the CPU: what the head takes of each case as it is, in eval mode; at least one case."""
    taken: list[Tensor] = []
    head = getattr(network, "head", network)
    watching = head.register_forward_pre_hook(lambda module, given: taken.append(given[0].cpu()))
    try:
        predict(network, examples, device)
    finally:
        watching.remove()
    return torch.cat(taken)


def contribute(
    alignment: Alignment, reference: Reference, features: Tensor, examples: Examples, permission: Permission
) -> None:
    """Fill the reference with a site's own means, of all groups or of none.

    If a group has fewer patients than ``min_count`` (and any), or the site's file forbids it, all shares are 0: the
    other groups' exact shares and sums, beside the known number of cases, would tell the one that is left out.

    Args:
        features: ``(N, F)`` float32, of the cases of ``examples`` in their order.
    """
    members = group_members(examples.labels, len(reference.share))
    assert examples.patients is not None
    patients = [len(examples.patients[some].unique()) for some in members]
    told = members if may_tell_moments(patients, permission) else []
    chosen = {group: some for group, some in enumerate(told) if len(some) > 0}
    where = reference.share.device
    sums = {group: alignment.sums(reference, features[some].to(where)) for group, some in chosen.items()}
    reference.fill({group: len(some) for group, some in chosen.items()}, sums)


def group_members(labels: Tensor, groups: int) -> list[Tensor]:
    """Positions of each group's cases, int64: of each class, or all in the one group."""
    if groups == 1:
        return [torch.arange(len(labels), device=labels.device)]
    return [(labels == group).nonzero().flatten() for group in range(groups)]
