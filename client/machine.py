"""What a site computes on: chosen from the machine, unless its owner says otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from fedgraft.common.errors import SiteFileError


@dataclass(frozen=True)
class Machine:
    """Where and how wide to compute.

    Attributes:
        device: training and the frozen part run here.
        threads: torch's threads within one operation.
        workers: processes that decode cases ahead; ``None`` decides by the kind of files.
        batch: cases at once through the frozen part; ``None`` decides by the size of an image.
    """

    device: torch.device
    threads: int
    workers: int | None = None
    batch: int | None = None


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def choose(device: str, threads: int | None, workers: int | None = None, batch: int | None = None) -> Machine:
    """The machine that a site file describes.

    Args:
        device: a torch device, or ``auto``: a GPU if there is one.
        threads: ``None`` for one per core.

    Raises:
        SiteFileError: there is no such device.
    """
    named = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        found = torch.device(named)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise SiteFileError(f"device: {device} can't be used here ({first}); use auto or cpu") from error
    return Machine(found, threads or cores(), workers, batch)
