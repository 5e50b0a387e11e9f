"""Inner products of a round's updates: from them come norms, cosines, and what each does to the others' progress."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.interfaces.roles import REFERENCE, STATISTICS
from fedgraft.common.robust.products import Known, products_of_rows

Named = Mapping[str, Tensor]


def products_of(updates: Sequence[Named], received: Named, names: Collection[str]) -> Known:
    """Inner products of K updates, each the tensors that came less those that were sent, over some of them.

    Args:
        updates: tensors by name, of each site; all finite.
        received: those that were sent.
    """
    some = [(received[name].numpy(), [update[name].numpy() for update in updates]) for name in names]
    return products_of_rows(some, len(updates))


def lengths_of_others(updates: Sequence[Named], received: Named) -> list[float]:
    """The norms of K updates over the tensors that are not `trained`."""
    others = sorted(set(received) - set(trained(received)))
    if not others:
        return [0.0] * len(updates)
    before = _joined(received, others)
    return [float(np.sqrt(np.square(_joined(update, others) - before).sum())) for update in updates]


def _joined(some: Named, names: Sequence[str]) -> NDArray[np.float64]:
    """The numbers of tensors as one vector."""
    return np.concatenate([some[name].numpy().ravel() for name in names], dtype=np.float64, casting="unsafe")


def trained(names: Collection[str]) -> list[str]:
    """Of the tensors that sites send, those that gradient steps move: neither batch norm's running statistics nor an
    alignment's moments."""
    return [name for name in names if not (name.endswith(STATISTICS) or name.startswith(REFERENCE))]
