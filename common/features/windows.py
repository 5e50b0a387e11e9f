"""``features=windows``: what the layers of a text network give in each window of a note, kept apart for a head that
weighs windows (``head=attention``).

In a long note a few sentences decide; the mean over all windows dilutes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.taps import Taps
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.features import WINDOWS, PoolsWindows
from fedgraft.common.plan.types import Count


class Windows:
    """Reads stages of a text network window by window (`fedgraft.common.interfaces.features.ReadsBackbone`).

    Args:
        stages: as `fedgraft.common.features.taps.Taps`.
        statistics: of each channel over the tokens of a window: any of ``mean``, ``deviation`` and ``maximum``.
        most: windows that are kept of a note. Of a note with more, neighbours are pooled together, evenly.

    Raises:
        PlanError: as `Taps`.
    """

    def __init__(self, stages: str | list[str], statistics: list[str], most: Count) -> None:
        self.taps = Taps(stages, statistics)
        self.most = most

    def reading(self, backbone: nn.Module, stages: tuple[Stage, ...]) -> WindowReading:
        """
        Raises:
            PlanError: there is no such stage, or the backbone sees no windows.
        """
        if not isinstance(backbone, PoolsWindows):
            raise PlanError(
                "features=windows reads the windows of notes, and this backbone sees a case as a whole; use "
                "backbone=transformer or wordllama with notes, or features=taps"
            )
        return WindowReading(self.taps.modules(backbone, stages), self.taps.statistics, self.most, backbone)


@dataclass(frozen=True)
class WindowReading:
    """`fedgraft.common.interfaces.features.Reading` of some stages in each window, then of which windows there are
    (`fedgraft.common.interfaces.features.ReadsInstances`)."""

    stages: tuple[str, ...]
    statistics: tuple[str, ...]
    instances: int
    backbone: PoolsWindows
    comparable: tuple[str, ...] = (WINDOWS,)

    @property
    def modules(self) -> tuple[str, ...]:
        return (*self.stages, WINDOWS)

    def vector(self, module: str, output: Tensor) -> Tensor:
        if module == WINDOWS:
            return self.backbone.windows_there(self.instances)
        return self.backbone.in_windows(output, self.statistics, self.instances).flatten(1)
