"""The moments that features are aligned to, as they come from sites and as they go on from round to round."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fedgraft.common.errors import RoundError
from fedgraft.common.interfaces.roles import REFERENCE

SHARE = f"{REFERENCE}share"
SECOND = f"{REFERENCE}second"
_ROUNDING = 1e-3
"""How far a site's shares may sum up to another number than 1."""


def impossible(tensors: Mapping[str, Tensor]) -> str:
    """Why no site's features can have the moments of an update; empty if they can, or if there are none.

    Args:
        tensors: an update's, of the plan's shapes (`fedgraft.common.interfaces.alignment.Reference`), all finite.
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
    """Of ``(G, k, k)``; false if it has another shape, and is another statistic."""
    square = second.ndim == 3 and second.shape[1] == second.shape[2]
    return square and bool((second.diagonal(dim1=1, dim2=2) < 0).any())


def with_known_moments(found: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``found``, in which a group of which no site of this round told moments keeps those of the round before.

    Shares then need not sum up to 1; a group's means do not depend on the others' shares.

    Args:
        found: the shared tensors after a round, by name; ``before``: those that were sent in it.
    """
    if SHARE not in found:
        return dict(found)
    untold = found[SHARE] == 0
    kept = {name: tensor.clone() for name, tensor in found.items() if name.startswith(REFERENCE)}
    for name, tensor in kept.items():
        tensor[untold] = before[name][untold]
    return {**found, **kept}


def require_moments(server_round: int, shared: Mapping[str, Tensor], may_follow: bool) -> None:
    """Refuse to go on with an alignment to nothing.

    Args:
        may_follow: whether a site that was not asked in this round can be asked in a later one.

    Raises:
        RoundError: no site gave moments of its features, in this round or before, and none may follow.
    """
    if SHARE in shared and not may_follow and not bool((shared[SHARE] > 0).any()):
        raise RoundError(
            f"round {server_round}: alignment has no effect: no site released moments of its features "
            "(release.statistics, release.min_count and, by class, release.class_counts in the sites' own files); set "
            "alignment=none, or alignment.per_class=false if classes are too small"
        )
