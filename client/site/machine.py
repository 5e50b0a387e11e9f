"""The device, threads and batch size with which a site computes: chosen automatically unless the site file says so.

They change how long a result takes, and the result itself only by rounding.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import SiteFileError, first_line
from fedgraft.common.plan.types import RuntimeChoice

CGROUP = Path("/sys/fs/cgroup")
_PIXELS_AT_ONCE = 16 * 224 * 224
_ROWS_AT_ONCE = 1024
_BYTES_PER_PIXEL = 1_000  # at the widest layers of timm's convolutional networks, in and out


@dataclass(frozen=True)
class Machine:
    """Where, and with how much parallelism, to compute.

    Attributes:
        device: for training and the constant part of the network.
        threads: torch's intra-op threads.
        workers: processes that decode files; ``None`` for one per core.
        batch: cases per batch through the constant part; ``None`` chooses by the size of an image.
        runtime: what computes the constant part (`fedgraft.client.features.runtimes`); ``auto`` takes the fastest of
            what is installed.
    """

    device: torch.device
    threads: int
    workers: int | None = None
    batch: int | None = None
    runtime: RuntimeChoice = "auto"


def choose(
    device: str,
    threads: int | None,
    workers: int | None = None,
    batch: int | None = None,
    runtime: RuntimeChoice = "auto",
) -> Machine:
    """The machine that a site file describes.

    Args:
        device: a torch device, or ``auto``: a GPU if there is one.
        threads: ``None`` for one per core.

    Raises:
        SiteFileError: there is no such device, or the runtime is not installed.
    """
    named = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        found = torch.device(named)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise SiteFileError(f"device: {device} can't be used here ({first_line(error)}); use auto or cpu") from error
    if runtime == "openvino" and find_spec("openvino") is None:
        raise SiteFileError("runtime: openvino is not installed here: pip install 'fedgraft[fast]', or use auto")
    return Machine(found, threads or cores(), workers, batch, runtime)


def machine_of(site: SiteFile | None) -> Machine:
    """The machine that a site's file describes; without one, a GPU if there is one, and all cores.

    Raises:
        SiteFileError: as `choose`.
    """
    if site is None:
        return choose("auto", None)
    return choose(site.device, site.threads, site.workers, site.batch, site.runtime)


def cores(cgroup: Path = CGROUP) -> int:
    """Processors that this process may use: those in its affinity mask, or fewer if its container has a quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no cgroup v2, or "max": no quota
        quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        bound = min(bound, max(1, int(quota) // int(period)))
    return bound


def memory_bytes(cgroup: Path = CGROUP) -> int:
    """Bytes of memory of the machine, or fewer if this process's container has a limit."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        most = min(most, int((cgroup / "memory.max").read_text(encoding="ascii")))
    return most


def automatic_batch(shape: tuple[int, ...], memory: int) -> int:
    """The batch size for inference on a CPU: of images ``(C, S, S)`` as many as need at most a quarter of ``memory``
    bytes, but no more than 16 of 224 pixels' worth; of rows ``(F,)`` 1024.

    An image of 224 pixels takes 17 ms of one core in batches of 16, 19 in batches of 8, and 25 alone
    (``tf_efficientnet_lite0``, channels last); larger batches gain nothing. This needs
    `fedgraft.common.runtime.memory.keep_freed_memory`; without it 8 are as good as 16.
    """
    if len(shape) == 1:
        return _ROWS_AT_ONCE
    pixels = min(_PIXELS_AT_ONCE, memory // 4 // _BYTES_PER_PIXEL)
    return max(1, pixels // math.prod(shape[1:]))


def use_threads(threads: int) -> None:
    """Set the number of torch's intra-op threads in this process."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
