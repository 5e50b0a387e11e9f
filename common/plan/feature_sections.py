"""The section of a plan on features: where a backbone is read, by which networks, and how numbers are scaled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from fedgraft.common.plan.types import STRICT, Count, NotNegative, Options

ScaleName = Literal["none", "case", "common", "case_common", "centre", "own", "own_balanced", "early", "auto"]


@dataclass(frozen=True)
class NetworkSection:
    """One of several frozen networks.

    Attributes:
        name: of a timm model.
        size: side of its input in pixels; ``None`` for the model's own.
        weights: as `fedgraft.common.plan.sections.BackboneSection.weights`.
        pretrained: whether to load them; else they are random.
    """

    __pydantic_config__ = STRICT
    name: str
    size: Annotated[int, Field(ge=16, le=2048)] | None = None
    weights: str = "timm"
    pretrained: bool = True


@dataclass(frozen=True)
class FeaturesSection:
    """The features that enter the head; ``target`` is ``None`` for the backbone's own output.

    Attributes:
        scale: how features are scaled before the head (`fedgraft.common.features.scale`): ``none``; ``case`` = each
            stage of a case by its own mean and deviation; ``common`` = by the mean and deviation over all sites'
            training cases; ``case_common`` = first as ``case``, then as ``common``; ``own`` = by those of each site's
            own cases; ``own_balanced`` = the same, with all classes weighing equally; ``centre`` = own mean, common
            deviation; ``early`` = ``own`` in the first half of the network's depths, ``common`` in the later;
            ``auto`` = ``common`` or ``own``, whichever is better on the sites' validation cases.
        shrink: cases by which a site's own moments are drawn to the common ones: n own cases weigh n / (n + shrink).
        networks: several frozen networks, read one after another; empty for the plan's ``backbone``.
        keep: how many features enter the head, those that tell the classes apart best; ``None`` for all
            (`fedgraft.common.features.keep`).
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    scale: ScaleName = "none"
    shrink: NotNegative = 0.0
    networks: tuple[NetworkSection, ...] = ()
    keep: Count | None = None
    options: Options = field(default_factory=dict)

    @property
    def uses_own(self) -> bool:
        """Whether a site's own moments are used, or may be."""
        return self.scale in ("own", "own_balanced", "centre", "early", "auto")

    @property
    def needs_common(self) -> bool:
        """Whether sites are asked for moments of their features, from which the common ones are pooled."""
        return self.scale in ("common", "case_common", "centre", "early", "auto") or self.shrink > 0
