"""The reading that a plan's ``features`` names, for one backbone."""

from __future__ import annotations

import json
from collections.abc import Iterable

from torch import nn

from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.features import Reading, ReadsBackbone
from fedgraft.common.plan import parts
from fedgraft.common.plan.feature_sections import FeaturesSection


def reading_of(section: FeaturesSection, backbone: nn.Module, allowed: Iterable[str]) -> Reading | None:
    """The reading; ``None`` if features are the backbone's own output.

    Raises:
        PlanError: the part is not allowed, or an option does not suit the backbone.
    """
    reads: ReadsBackbone | None = parts.chosen(section, "features", allowed)
    return None if reads is None else reads.reading(backbone, find_stages(backbone))


def said(section: FeaturesSection) -> str:
    """All that features depend on besides the backbone and its input; empty for the backbone's own output."""
    return "" if section.target is None else f"|{section.target}|{json.dumps(section.options, sort_keys=True)}"
