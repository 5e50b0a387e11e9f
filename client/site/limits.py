"""What one file may cost, enforced before the memory is taken: a site's own choice, in ``site.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import ConfigDict, Field

Amount = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Limits:
    """The most that one file may have.

    ``pixels``: of one frame (rows times columns); ``frames``: of a file; ``decoded_bytes``: of what is decoded at once;
    ``header_bytes``: of a DICOM file before its pixels; ``seconds``: to read and decode it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    pixels: Amount = 64_000_000
    frames: Amount = 10_000
    decoded_bytes: Amount = 1_000_000_000
    header_bytes: Amount = 64_000_000
    seconds: Annotated[float, Field(gt=0)] = 60.0


@dataclass(frozen=True)
class Rules:
    """What a site lets a file cost and be (`fedgraft.client.site.site_file.SiteFile`)."""

    limits: Limits = field(default_factory=Limits)
    refuse_burned_in: bool = True
