"""``features=taps_hashed``: what every layer of a text network gives, and hashed words, side by side for one head.

Long notes are told apart by rare words that a network of sentences does not know, and short ones by what words mean:
each alone is worse than both.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.taps import Taps
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.features import HASHED, Reading
from fedgraft.common.interfaces.inputs import Hashing


class TapsHashed:
    """Reads stages of a text network, and the hashed words that its input brings
    (`fedgraft.common.interfaces.features.ReadsBackbone`, `ReadsHashed`).

    Args:
        stages, statistics: as `fedgraft.common.features.taps.Taps`.
        buckets, words, characters: as `fedgraft.common.interfaces.inputs.Hashing`.
        weight: by which hashed words are multiplied, whose numbers have a mean square of 1 before.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(
        self,
        stages: str | list[str],
        statistics: list[str],
        buckets: int,
        words: list[int],
        characters: list[int],
        weight: float,
    ) -> None:
        self.taps = Taps(stages, statistics)
        self.weight = weight
        if weight <= 0:
            raise PlanError("features.weight must be above 0; without hashed words use features=taps")
        spans = (words, characters) if characters else (words,)
        if any(len(span) != 2 or not 1 <= span[0] <= span[1] <= 8 for span in spans):
            raise PlanError(
                "features.words and features.characters must be the shortest and the longest n-gram, 1 to 8"
            )
        if not 16 <= buckets <= 2**18 or buckets % 2:
            raise PlanError(f"features.buckets must be an even number from 16 to {2**18}")
        self.hashing = Hashing(buckets, (words[0], words[1]), tuple(characters))

    def reading(self, backbone: nn.Module, stages: tuple[Stage, ...]) -> Reading:
        """
        Raises:
            PlanError: there is no such stage, or the backbone takes no notes.
        """
        if HASHED not in dict(backbone.named_modules()) or not stages:
            raise PlanError(
                "features=taps_hashed reads hashed words beside the layers of a text network; use backbone=transformer "
                "or wordllama, or features=taps"
            )
        return HashedReading(self.taps.reading(backbone, stages), self.weight)


@dataclass(frozen=True)
class HashedReading:
    """`fedgraft.common.interfaces.features.Reading` of some stages, then of hashed words."""

    inner: Reading
    weight: float
    comparable: tuple[str, ...] = (HASHED,)

    @property
    def modules(self) -> tuple[str, ...]:
        return (*self.inner.modules, HASHED)

    def vector(self, module: str, output: Tensor) -> Tensor:
        return output * self.weight if module == HASHED else self.inner.vector(module, output)
