"""What a check was asked for, and what it works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.doctor.plans import Chosen
from fedgraft.client.site import SiteFile
from fedgraft.common.backbone import InputSpec
from fedgraft.common.model import Model
from fedgraft.common.plan import Plan


@dataclass(frozen=True)
class Wish:
    """What the command was asked for.

    Attributes:
        plan: a plan file; ``None`` looks for one (`fedgraft.client.doctor.plans`).
        sample: decode only so many cases; ``None`` decodes all.
        uplink: of the line, in Mbit/s.
        pictures: whether a page will show thumbnails.
    """

    plan: Path | None = None
    sample: int | None = None
    uplink: float | None = None
    pictures: bool = True


@dataclass(frozen=True)
class Study:
    """A site, the plan that it is checked against, and that plan's network; ``None`` if there is none, or it can't be
    built (yet)."""

    site: SiteFile
    chosen: Chosen | None
    model: Model | None
    wish: Wish

    @property
    def plan(self) -> Plan | None:
        return None if self.chosen is None else self.chosen.plan

    @property
    def image(self) -> InputSpec | None:
        """What the plan's network takes, if that is images."""
        spec = None if self.model is None else self.model.spec
        return spec if isinstance(spec, InputSpec) else None
