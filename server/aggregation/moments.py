"""Check the moments of an alignment that sites send, and carry them over from round to round."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fedgraft.common.errors import RoundError
from fedgraft.common.interfaces.roles import REFERENCE

SHARE = f"{REFERENCE}share"
SECOND = f"{REFERENCE}second"
_ROUNDING = 1e-3
"""How far the sum of a site's shares may differ from 1."""


def impossible(tensors: Mapping[str, Tensor]) -> str:
    """Why an update's moments can't be those of any features; empty if they can, or if there are none.

    Args:
        tensors: the update's, of the plan's shapes (`fedgraft.common.interfaces.alignment.Reference`), all finite.
    """
    if SHARE not in tensors:
        return ""
    share = tensors[SHARE].double()
    if bool((share < 0).any()) or bool((share > 1).any()):
        return "a share of its training cases is below 0 or above 1"
    if bool(share.any()) and abs(float(share.sum()) - 1) > _ROUNDING:
        return "the shares of its training cases sum up to neither 0 nor 1"
    moments = [tensor for name, tensor in tensors.items() if name.startswith(REFERENCE) and name != SHARE]
    if any(bool(tensor[share == 0].any()) for tensor in moments):
        return "it gives moments of features of no training case"
    if SECOND in tensors and _negative_mean_square(tensors[SECOND]):
        return "a mean square of its features is negative"
    return ""


def _negative_mean_square(second: Tensor) -> bool:
    """Whether the diagonal of ``(G, k, k)`` second moments has a negative number; false for another shape."""
    square = second.ndim == 3 and second.shape[1] == second.shape[2]
    return square and bool((second.diagonal(dim1=1, dim2=2) < 0).any())


def with_known_moments(found: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``found``, in which groups without moments from any site in this round keep those of the round before.

    The shares then need not sum to 1; a group's means do not depend on the other groups' shares.

    Args:
        found: the shared tensors after a round, by name.
        before: the shared tensors that were sent in this round.
    """
    if SHARE not in found:
        return dict(found)
    unknown = found[SHARE] == 0
    kept = {name: tensor.clone() for name, tensor in found.items() if name.startswith(REFERENCE)}
    for name, tensor in kept.items():
        tensor[unknown] = before[name][unknown]
    return {**found, **kept}


def require_moments(server_round: int, shared: Mapping[str, Tensor], may_follow: bool) -> None:
    """End a run with an alignment for which no site sends moments.

    Args:
        may_follow: whether a site that was not asked in this round may be asked in a later one.

    Raises:
        RoundError: no site has sent moments of its features so far, and none may follow.
    """
    if SHARE in shared and not may_follow and not bool((shared[SHARE] > 0).any()):
        raise RoundError(
            f"round {server_round}: alignment has no effect: no site released moments of its features "
            "(release.statistics, release.min_count and, by class, release.class_counts in the sites' own files); set "
            "alignment=none, or alignment.per_class=false if classes are too small"
        )
