"""A plan's ``harmonise``: the part it names together with the numbers that all sites share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.harmoniser import Harmoniser
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

MOST_NUMBERS = 20_000
"""Of a reference: it travels with the plan."""


@dataclass(frozen=True)
class Harmony:
    """How images are made alike.

    Attributes:
        harmoniser: the plan's part.
        reference: its shared numbers; empty if the sites have not been asked yet.
        fingerprint: changes with everything that changes an image.
    """

    harmoniser: Harmoniser
    reference: tuple[float, ...]
    fingerprint: str

    def apply(self, image: Tensor) -> Tensor:
        """The image, harmonised: ``(1 or 3, S, S)`` float32 in [0, 1], in and out.

        Raises:
            PlanError: the shared numbers are not known yet.
        """
        if not self.reference:
            raise PlanError(
                "harmonise.reference=[]: the numbers that all sites share are not known before the sites were asked; a "
                "run asks them first, and writes the plan with these numbers into its folder"
            )
        return self.harmoniser.apply(image, self.reference)

    def numbers(self, size: int) -> int:
        """How many numbers an image of ``size`` x ``size`` pixels is described by."""
        return len(self.harmoniser.describe(torch.zeros(1, size, size)))


def harmony_of(plan: Plan, allowed: Iterable[str] = OURS) -> Harmony | None:
    """What the plan's ``harmonise`` says; ``None`` for nothing.

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
    """Whether the sites are to be asked for the shared numbers before round 1."""
    return plan.harmonise.target is not None and not plan.harmonise.reference


def with_reference(plan: Plan, reference: Iterable[float]) -> Plan:
    """The plan with the shared numbers in it."""
    return replace(plan, harmonise=replace(plan.harmonise, reference=tuple(reference)))


def with_stand_in(plan: Plan, size: int, allowed: Iterable[str] = OURS) -> Plan:
    """The plan with the numbers of a grey ramp, where only the time that harmonising takes matters."""
    harmony = harmony_of(plan, allowed)
    assert harmony is not None
    ramp = torch.linspace(0, 1, size * size).reshape(1, size, size)
    return with_reference(plan, harmony.harmoniser.describe(ramp).tolist())


def require_reference_fits(plan: Plan, spec: Shaped, allowed: Iterable[str] = OURS) -> None:
    """Check the plan's shared numbers against the size of its images.

    Raises:
        PlanError: there are too many or too few of them, or an image of this size takes more than `MOST_NUMBERS`.
    """
    harmony = harmony_of(plan, allowed)
    if harmony is None:
        return
    size, given = spec.shape[-1], len(harmony.reference)
    needed = harmony.numbers(size)
    if needed > MOST_NUMBERS:
        raise PlanError(
            f"harmonise describes an image of {size} x {size} pixels by {needed} numbers, more than the {MOST_NUMBERS} "
            "that travel with a plan; lower harmonise.band, or data.image_size"
        )
    if given not in (0, needed):
        raise PlanError(
            f"harmonise.reference has {given} numbers, and images of {size} x {size} pixels need {needed}; set it to "
            "[] to have the sites asked before round 1"
        )
