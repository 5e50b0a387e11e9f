"""Kinds of numbers in a plan, which pydantic checks."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(gt=0, le=1)]
Options = dict[str, JsonValue]
STRICT = ConfigDict(extra="forbid")
