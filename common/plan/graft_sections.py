"""The sections of a plan with methods against few, shifted and imbalanced cases, besides layers and losses.

Each names a part by ``_target_``, or none; a plan may leave a section out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from fedgraft.common.plan.types import STRICT, NotNegative, Options, Share

Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class InitialSection:
    """How the head starts; ``target`` is ``None`` for the head as built.

    ``interpolate``: shares of the trained head, from 0 (the initial head) to 1 (the trained one); the interpolation
    that is best on the sites' validation cases becomes the final model (WiSE-FT, Wortsman et al., CVPR 2022). Empty for
    the trained head.
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    interpolate: tuple[Share, ...] = ()
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class AlignmentSection:
    """A penalty that aligns the features before the head over sites; ``target`` is ``None`` for none.

    ``weight``: of the penalty, relative to the loss. ``per_class``: align each class separately. ``column``: a column
    of the manifest that names a site's own scanners, which are then aligned too; ``None`` for sites only.
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    weight: NotNegative = 0.0
    per_class: bool = False
    column: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class PersonalSection:
    """Personalisation: which part of the model is each site's own; ``target`` is ``None`` for one model for all."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class AdaptSection:
    """Test-time adaptation of the model at sites that never train (``hold_out``); ``target`` is ``None`` for none."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class SamplingSection:
    """Sampling of the training cases of an epoch; ``target`` is ``None`` for each case once."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class HarmoniseSection:
    """Harmonisation of images from different scanners; ``target`` is ``None`` for none.

    ``reference``: the numbers that all sites share, as the target defines them. Empty: their means over all sites'
    training cases, which the sites are asked for before the first round.
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    reference: tuple[Finite, ...] = ()
    options: Options = field(default_factory=dict)
