"""``features=windows_hashed``: what the layers of a text network give in each window of a note, and hashed words of the
whole note beside them, for a head that weighs windows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fedgraft.common.features.taps_hashed import TapsHashed
from fedgraft.common.features.windows import WindowReading, Windows
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.features import HASHED, WINDOWS, Reading
from fedgraft.common.plan.types import Count


class WindowsHashed(TapsHashed):
    """Reads windows as `fedgraft.common.features.windows.Windows`, and hashed words as
    `fedgraft.common.features.taps_hashed.TapsHashed`, whose options it has.

    Args:
        most: windows that are kept of a note.
    """

    def __init__(
        self,
        stages: str | list[str],
        statistics: list[str],
        most: Count,
        buckets: int,
        words: list[int],
        characters: list[int],
        weight: float,
    ) -> None:
        super().__init__(stages, statistics, buckets, words, characters, weight)
        self.windows, self.most = Windows(stages, statistics, most), most

    def reading(self, backbone: nn.Module, stages: tuple[Stage, ...]) -> Reading:
        """
        Raises:
            PlanError: there is no such stage, or the backbone sees no windows.
        """
        return WindowsHashedReading(self.windows.reading(backbone, stages), self.weight)


@dataclass(frozen=True)
class WindowsHashedReading:
    """`fedgraft.common.interfaces.features.ReadsInstances` of some stages in each window, then of hashed words, then of
    which windows there are."""

    inner: WindowReading
    weight: float
    comparable: tuple[str, ...] = (HASHED, WINDOWS)

    @property
    def instances(self) -> int:
        return self.inner.instances

    @property
    def modules(self) -> tuple[str, ...]:
        return (*self.inner.stages, HASHED, WINDOWS)

    def vector(self, module: str, output: Tensor) -> Tensor:
        return output * self.weight if module == HASHED else self.inner.vector(module, output)
