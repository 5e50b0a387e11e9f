"""The sections of a plan that say what is done about few, shifted and imbalanced cases, besides layers and losses.

Each names a part by ``_target_``, or none; a plan that leaves a section out does without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from fedgraft.common.plan.types import STRICT, NotNegative, Options, Share

Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class InitialSection:
    """How the head starts; ``target`` is ``None`` for as it was built.

    ``interpolate``: shares of the trained head, between the initial (0) and the trained one (1), of which the best on
    the sites' validation cases becomes the final model (WiSE-FT, Wortsman et al., CVPR 2022); empty for the trained
    one.
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    interpolate: tuple[Share, ...] = ()
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class AlignmentSection:
    """A loss that makes the features before the head alike at all sites; ``target`` is ``None`` for none.

    ``weight``: of the loss, beside the classification's. ``per_class``: align each class by itself. ``column``: of the
    manifest, whose values are a site's own scanners, also aligned to each other; ``None`` for sites only.
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    weight: NotNegative = 0.0
    per_class: bool = False
    column: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class PersonalSection:
    """What of the model is each site's own; ``target`` is ``None`` for one model for all."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class AdaptSection:
    """What is done with the model at a site that never trained (``hold_out``); ``target`` is ``None`` for nothing."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class SamplingSection:
    """Which training cases an epoch shows; ``target`` is ``None`` for each once."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class HarmoniseSection:
    """How images of different scanners are made alike before anything else; ``target`` is ``None`` for not.

    ``reference``: numbers that all sites share, as the target reads them; empty: means over all sites' training cases,
    asked for before the first round.
    """

    __pydantic_config__ = STRICT
    target: str | None = None
    reference: tuple[Finite, ...] = ()
    options: Options = field(default_factory=dict)
