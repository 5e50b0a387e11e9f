"""A plan's ``harmonise``: the harmoniser that it names, together with the reference that all sites share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.harmoniser import Harmoniser
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

MOST_NUMBERS = 20_000
"""The most numbers that a reference may have, because it is sent with the plan."""


@dataclass(frozen=True)
class Harmony:
    """A harmoniser and its reference.

    Attributes:
        harmoniser: the part that the plan names.
        reference: the shared numbers; empty if the sites have not been asked for them yet.
        fingerprint: SHA-256 (hex) of the plan's ``harmonise`` section, reference included.
    """

    harmoniser: Harmoniser
    reference: tuple[float, ...]
    fingerprint: str

    def apply(self, image: Tensor) -> Tensor:
        """Harmonise an image: ``(1 or 3, S, S)`` float32 in [0, 1] -> the same shape and range.

        Raises:
            PlanError: the reference is not known yet.
        """
        if not self.reference:
            raise PlanError(
                "harmonise.reference=[]: the numbers that all sites share are not known before the sites were asked; a "
                "run asks them first, and writes the plan with these numbers into its folder"
            )
        return self.harmoniser.apply(image, self.reference)

    def numbers(self, size: int) -> int:
        """How many numbers describe an image of ``size`` x ``size`` pixels: the length of the reference."""
        return len(self.harmoniser.describe(torch.zeros(1, size, size)))


def harmony_of(plan: Plan, allowed: Iterable[str] = OURS) -> Harmony | None:
    """The plan's harmoniser with its reference; ``None`` if the plan names none.

    Raises:
        PlanError: the part can't be built.
    """
    chosen = plan.harmonise
    if chosen.target is None:
        return None
    harmoniser: Harmoniser = parts.build(chosen.target, "harmonise", chosen.options, allowed)
    text = json.dumps(["harmonise-2", asdict(chosen)], sort_keys=True)
    return Harmony(harmoniser, chosen.reference, hashlib.sha256(text.encode()).hexdigest())


def wants_reference(plan: Plan) -> bool:
    """Whether the sites must be asked for the reference before round 1."""
    return plan.harmonise.target is not None and not plan.harmonise.reference


def with_reference(plan: Plan, reference: Iterable[float]) -> Plan:
    """The plan with this reference in its ``harmonise`` section."""
    return replace(plan, harmonise=replace(plan.harmonise, reference=tuple(reference)))


def with_stand_in(plan: Plan, size: int, allowed: Iterable[str] = OURS) -> Plan:
    """The plan with a grey ramp's numbers as its reference; for measuring how long harmonising takes."""
    harmony = harmony_of(plan, allowed)
    assert harmony is not None
    ramp = torch.linspace(0, 1, size * size).reshape(1, size, size)
    return with_reference(plan, harmony.harmoniser.describe(ramp).tolist())


def reference_problems(harmony: Harmony, size: int) -> list[str]:
    """What is wrong with the length of the plan's reference for images of ``size`` x ``size`` pixels: it does not fit,
    or images of this size need more than `MOST_NUMBERS`."""
    given, needed = len(harmony.reference), harmony.numbers(size)
    if needed > MOST_NUMBERS:
        return [
            f"harmonise describes an image of {size} x {size} pixels by {needed} numbers, more than the {MOST_NUMBERS} "
            "that travel with a plan; lower harmonise.band, or data.image_size"
        ]
    if given not in (0, needed):
        return [
            f"harmonise.reference has {given} numbers, and images of {size} x {size} pixels need {needed}; set it to "
            "[] to have the sites asked before round 1"
        ]
    return []
