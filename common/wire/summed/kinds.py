"""By kind of message, how its answers are summed; no other kind but these and `OPEN` is answered with secure sums."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fedgraft.common.wire.familiarity import FAMILIARITY
from fedgraft.common.wire.feature_moments import MOMENTS
from fedgraft.common.wire.gradient import GRADIENT
from fedgraft.common.wire.head_sums import SUMS
from fedgraft.common.wire.messages import BACKBONE, EVALUATE, PREPARE, TRAIN
from fedgraft.common.wire.summed.kind import SumKind
from fedgraft.common.wire.summed.statistics import FamiliarCases, MomentsOfFeatures, SumsOverCases
from fedgraft.common.wire.summed.updates import Evaluations, Gradients, Updates

KINDS: Mapping[str, SumKind] = MappingProxyType(
    {
        TRAIN: Updates(),
        GRADIENT: Gradients(),
        EVALUATE: Evaluations(),
        MOMENTS: MomentsOfFeatures(),
        SUMS: SumsOverCases(),
        FAMILIARITY: FamiliarCases(),
    }
)
OPEN = (PREPARE, BACKBONE)
"""Kinds whose answers stay in the clear: a site's name, its number of cases, and what its offer says besides."""
