"""Types of a plan's values, checked by pydantic, and the type of a check."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field, JsonValue

OURS = ("fedgraft",)
"""The packages from which parts are always allowed."""
SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(gt=0, le=1)]
Options = dict[str, JsonValue]
RuntimeChoice = Literal["auto", "eager", "folded", "openvino"]
"""What computes the frozen part of a network (`fedgraft.client.features.runtimes`)."""
STRICT = ConfigDict(extra="forbid")


class Check(NamedTuple):
    """A check of a plan: ``text`` is the problem if ``wrong(plan)``; made only if all of ``sections`` could be read."""

    sections: tuple[str, ...]
    wrong: Callable[[Any], bool]
    text: str


OF_A_SIMULATION = """\
# `data._target_` with its options, and `partition`, are a simulation's: each hospital's own site.yaml names its cases.
# `fedgraft coordinator run --plan` leaves them out; the plan's digest is then
# {digest}
"""
"""Before the YAML of such a plan."""
