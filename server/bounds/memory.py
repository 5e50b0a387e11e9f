"""What the bounds remember from round to round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedgraft.server.bounds.lengths import Norms
from fedgraft.server.bounds.travelled import Travelled


@dataclass(frozen=True)
class Memory:
    """By what the next round's updates are judged, besides themselves.

    Attributes:
        norms, distances: of the last rounds' updates, and of each to the others'; by them one knows how much they
            differ.
        lengths, apart: of the whole run, by site: its updates' norms and distances.
    """

    norms: Norms = ()
    distances: Norms = ()
    lengths: Travelled = field(default_factory=Travelled)
    apart: Travelled = field(default_factory=Travelled)

    def values(self) -> dict[str, Any]:
        """As JSON."""
        ways = {"lengths": self.lengths, "apart": self.apart}
        last = {"norms": self.norms, "distances": self.distances}
        return {
            **{name: [list(some) for some in rounds] for name, rounds in last.items()},
            **{name: {"typical": way.typical, "beyond": dict(way.beyond)} for name, way in ways.items()},
        }


def memory_from(values: Mapping[str, Any]) -> Memory:
    """The reverse of `Memory.values`."""
    norms, distances = (tuple(tuple(some) for some in values.get(name, ())) for name in ("norms", "distances"))
    lengths, apart = (Travelled(**values.get(name, {})) for name in ("lengths", "apart"))
    return Memory(norms, distances, lengths, apart)
