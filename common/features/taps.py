"""``features=taps``: statistics of the output of every stage in the place of the last layer's features.

Early stages see texture and contrast, late ones what an image of the pretraining showed. For images unlike those, a
head does better with all of them than with the last (Evci et al., "Head2Toe: utilizing intermediate representations for
better transfer learning", ICML 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.positions import Layout, layout_of
from fedgraft.common.features.stages import repeated
from fedgraft.common.features.statistics import STATISTICS, vector
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.features import PoolsStages, Reading


class Taps:
    """Reads stages of a backbone (`fedgraft.common.interfaces.features.ReadsBackbone`).

    Args:
        stages: ``blocks`` = the stages that a network repeats, without its stem and what follows the last of them (all
            stages, if it repeats none); ``all``; or a list of names of stages.
        statistics: of each channel over positions: any of ``mean``, ``deviation``, ``maximum``, ``quadrants`` and
            ``ninths``; of a backbone that pools by itself (`PoolsStages`) those that it has.

    Raises:
        PlanError: no statistic, an unknown one, or one twice.
    """

    def __init__(self, stages: str | list[str], statistics: list[str]) -> None:
        self.stages = stages
        self.statistics = tuple(statistics)
        known = ", ".join(STATISTICS)
        if not self.statistics:
            raise PlanError(f"features.statistics=[] reads nothing; choose some of {known}")
        for name in self.statistics:
            if name not in STATISTICS:
                raise PlanError(f"features.statistics: {name} is unknown; choose some of {known}")
        if len(set(self.statistics)) < len(self.statistics):
            raise PlanError("features.statistics names one twice")

    def reading(self, backbone: nn.Module, stages: tuple[Stage, ...]) -> Reading:
        """
        Raises:
            PlanError: as `modules`.
        """
        modules = self.modules(backbone, stages)
        if isinstance(backbone, PoolsStages):
            return PooledReading(modules, self.statistics, backbone)
        return TapReading(modules, self.statistics, layout_of(backbone))

    def modules(self, backbone: nn.Module, stages: tuple[Stage, ...]) -> tuple[str, ...]:
        """Paths of the modules whose outputs are read, in the network's order.

        Raises:
            PlanError: there is no such stage; the message lists them. Or there is none at all.
        """
        readable = {stage.name: _module(backbone, stage) for stage in stages if stage.output is not None}
        if not readable:
            raise PlanError(
                "features=taps reads the outputs of a backbone's stages, and this one has none; set features=last"
            )
        return tuple(readable[name] for name in self._chosen(stages, readable))

    def _chosen(self, stages: tuple[Stage, ...], readable: Mapping[str, str]) -> list[str]:
        """Names of the stages to read, in the network's order."""
        if self.stages == "all":
            return list(readable)
        if self.stages == "blocks":
            return [stage.name for stage in repeated(tuple(stage for stage in stages if stage.name in readable))]
        names = [self.stages] if isinstance(self.stages, str) else self.stages
        unknown = [name for name in names if name not in readable]
        if unknown or not names or len(set(names)) < len(names):
            what = f"{', '.join(map(str, unknown))} is no stage" if unknown else "names no stage, or one twice"
            raise PlanError(f"features.stages: {what}; choose blocks, all, or some of {', '.join(readable)}")
        return [name for name in readable if name in names]


def _module(backbone: nn.Module, stage: Stage) -> str:
    """The path of the module whose output is read: the one that the stage is named after, without a last convolution or
    norm that timm counts to it; of a stem its last one.

    A block that is a dictionary of modules is never called itself (rtdl's FT-Transformer): what it gives passes through
    its ``output``.
    """
    path = stage.name if stage.name in stage.units else str(stage.output)
    block = backbone.get_submodule(path)
    return f"{path}.output" if isinstance(block, nn.ModuleDict) and "output" in block else path


@dataclass(frozen=True)
class TapReading:
    """`fedgraft.common.interfaces.features.Reading` of some modules by statistics of their outputs."""

    modules: tuple[str, ...]
    statistics: tuple[str, ...]
    layout: Layout

    def vector(self, module: str, output: Tensor) -> Tensor:
        maps, leading = self.layout.maps(module, output)
        return vector(module, maps, leading, self.statistics)


@dataclass(frozen=True)
class PooledReading:
    """`fedgraft.common.interfaces.features.Reading` of stages that the backbone pools by itself."""

    modules: tuple[str, ...]
    statistics: tuple[str, ...]
    backbone: PoolsStages

    def vector(self, module: str, output: Tensor) -> Tensor:
        return self.backbone.pooled(output, self.statistics)
