"""What the bounds remember from round to round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedgraft.server.bounds.allowance import Allowance
from fedgraft.server.bounds.lengths import Norms


@dataclass(frozen=True)
class Memory:
    """By what the next round's updates are judged, besides themselves.

    Attributes:
        norms, distances: of the last rounds' updates, and of each to the others'; by them one knows how much they
            differ.
        lengths, apart: what sites have left of the whole run, of their updates' norms and distances.
    """

    norms: Norms = ()
    distances: Norms = ()
    lengths: Allowance = field(default_factory=Allowance)
    apart: Allowance = field(default_factory=Allowance)

    def values(self) -> dict[str, Any]:
        """As JSON."""
        left = {"lengths": self.lengths, "apart": self.apart}
        last = {"norms": self.norms, "distances": self.distances}
        return {
            **{name: [list(some) for some in rounds] for name, rounds in last.items()},
            **{name: {"typical": one.typical, "beyond": dict(one.beyond)} for name, one in left.items()},
        }


def memory_from(values: Mapping[str, Any]) -> Memory:
    """The reverse of `Memory.values`."""
    norms, distances = (tuple(tuple(some) for some in values.get(name, ())) for name in ("norms", "distances"))
    lengths, apart = (Allowance(**values.get(name, {})) for name in ("lengths", "apart"))
    return Memory(norms, distances, lengths, apart)
