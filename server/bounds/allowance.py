"""What a site may still do in a run: the allowance of its rounds so far, as far as it did not use it.

One round says little of a hospital. An honest one whose last batch holds an odd patient sends, once in a while, an
update that is eight times as far off as the others'; a hostile one is off in every round. So each round allows a
multiple of its median size, and what a site does not use of that, in squares, it may use later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Allowance:
    """What the rounds so far allowed.

    Attributes:
        typical: what a site has left that was like the median one in each round, in squares.
        beyond: by site, by how much more than the median one it used, in squares, in the rounds in which it took part.
            So one that joins late, or is away for a round, is taken for one like the median in those.
    """

    typical: float = 0.0
    beyond: Mapping[str, float] = field(default_factory=dict)

    def unused(self, site: str) -> float:
        """What a site has left, in squares."""
        return max(0.0, self.typical - self.beyond.get(site, 0.0))

    def after(self, sizes: Iterable[tuple[str, float]], middle: float, multiple: float | None) -> Allowance:
        """With one round more.

        Args:
            sizes: by site, as they were used.
            middle: the round's median.
            multiple: of it that the round allowed; ``None``: any, and nothing is counted.
        """
        if multiple is None:
            return self
        beyond = {**self.beyond}
        for site, size in sizes:
            beyond[site] = beyond.get(site, 0.0) + size**2 - middle**2
        return Allowance(self.typical + (multiple**2 - 1) * middle**2, beyond)


def longest(multiple: float, middle: float, unused: float) -> float:
    """The largest size that an update may have: the multiple of the round's median, and what the site has left."""
    return math.sqrt(multiple**2 * middle**2 + unused)
