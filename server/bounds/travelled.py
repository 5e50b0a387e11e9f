"""How far each site's updates have come in a run: squares summed up over its rounds.

One round says little of a hospital: an honest one whose last batch holds an odd patient sends, once in a while, an
update that is eight times as far off as the others'; and when a model hardly moves any more, such an update hardly
matters. A hostile one is off in every round. So what a site may do is a multiple of what the median site did in the
whole run, of which it can use up much in one round, and then has no more than a multiple of each round's median.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Travelled:
    """What the rounds so far add up to.

    Attributes:
        typical: the sum over rounds of their median size's square.
        beyond: by site, what its own squares add up to, less the medians' of the rounds in which it took part. So one
            that joins late, or is away for a round, is taken for one like the median in those.
    """

    typical: float = 0.0
    beyond: Mapping[str, float] = field(default_factory=dict)

    def squares(self, site: str) -> float:
        """What a site's squares add up to."""
        return max(0.0, self.typical + self.beyond.get(site, 0.0))

    def after(self, sizes: Iterable[tuple[str, float]], middle: float) -> Travelled:
        """With one round more.

        Args:
            sizes: by site, as they were used.
            middle: the round's median.
        """
        beyond = {**self.beyond}
        for site, size in sizes:
            beyond[site] = beyond.get(site, 0.0) + size**2 - middle**2
        return Travelled(self.typical + middle**2, beyond)


def longest(multiple: float, now: float, whole: float, before: float) -> float:
    """The largest size that a site's update may have: so that it comes, in the whole run, to a multiple of the median
    site's; and in any case that multiple of this round's median.

    Args:
        now: the median size of this round.
        whole: the squares of the median site, this round's included.
        before: the site's own squares, without this round's.
    """
    return max(multiple * now, math.sqrt(max(0.0, multiple**2 * whole - before)))
