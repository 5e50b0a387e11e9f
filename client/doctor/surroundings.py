"""What a run finds at this site: memory, disk, a line, and what is here already."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.doctor.plans import Chosen
from fedgraft.client.images import is_row
from fedgraft.client.machine import memory_bytes
from fedgraft.client.manifest import Case
from fedgraft.client.site import SiteFile
from fedgraft.common.backbone import InputSpec

_PIXEL_BYTES = 2  # `fedgraft.client.intake` keeps uint16


@dataclass(frozen=True)
class Surroundings:
    """``memory`` and free ``disk`` of the machine in bytes; ``uplink`` in Mbit/s (10**6 bits), ``None`` if not stated;
    ``backbone_here``: it need not be sent any more; ``on_disk``: what is kept is kept there, not in memory; ``pixels``:
    bytes of decoded images that are still to be kept."""

    memory: int
    disk: int
    uplink: float | None
    backbone_here: bool
    on_disk: bool
    pixels: int


def surroundings(site: SiteFile, chosen: Chosen, uplink: float | None, pixels: int) -> Surroundings:
    """This machine's, now."""
    backbone = site.shared_store / "backbones" / f"{chosen.backbone}.safetensors"
    return Surroundings(
        memory=memory_bytes(),
        disk=shutil.disk_usage(existing(site.shared_store)).free,
        uplink=uplink,
        backbone_here=chosen.backbone is not None and backbone.is_file(),
        on_disk=site.keep == "disk",
        pixels=pixels,
    )


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def pixel_bytes(cases: Sequence[Case], facts: NDArray[np.void], spec: InputSpec) -> float:
    """Bytes that an intake keeps of a case, on the average of these; the rows of an array are not kept again."""
    planes = [0 if is_row(case) else min(int(p), spec.channels) for case, p in zip(cases, facts["planes"], strict=True)]
    return spec.size**2 * _PIXEL_BYTES * sum(planes) / len(planes) if planes else 0.0
