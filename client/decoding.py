"""Cases to images, in processes of their own, while this process runs the network on the batch before.

The processes are forked: a new interpreter would import torch for four seconds. A forked process has none of the
threads that OpenMP or gRPC had here, so it stays on one thread and never calls the network. Images come back through
a pipe, not shared memory, of which a container has 64 MB.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.images import CaseReader
from fedgraft.client.manifest import Case
from fedgraft.client.transforms import resize
from fedgraft.client.views import Bank, identity, view_of
from fedgraft.common.backbone import InputSpec
from fedgraft.common.errors import DataError


class Wanted(NamedTuple):
    """One view of one case."""

    case: Case
    view: int = 0


def decoded(
    wanted: Sequence[Wanted], spec: InputSpec, bank: Bank, batch: int, workers: int, reader: CaseReader | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Decode, resize and augment, in order, a batch ahead of who asks.

    Args:
        wanted: views of one case are best side by side: it is then decoded once.
        spec: the backbone's input.
        bank: what the views are.
        batch: the most images at once.
        workers: processes; 0 decodes in this one, when asked.
        reader: reads in this process; one that is used again holds the arrays that it has read.

    Yields:
        which part of ``wanted``, and its images: ``(B, planes, S, S)`` float32 in [0, 1], not normalised
        (`fedgraft.client.transforms.normalise`). There is one plane if all of them are grey, else ``spec.channels``.

    Raises:
        DataError: a case can't be read (the same error whatever ``workers``), or a process was killed.
    """
    parts = tuple(_parts(wanted, batch))
    workers = min(workers, len(parts))
    if workers == 0:
        reader = reader or CaseReader()
        for part in parts:
            yield part, _images(reader, wanted[part], spec, bank)
        return
    with _processes(workers) as pool:
        jobs = ((part, pool.submit(_in_worker, wanted[part], spec, bank)) for part in parts)
        ahead = deque(islice(jobs, workers + 1))
        while ahead:
            part, job = ahead.popleft()
            images = job.result()
            ahead.extend(islice(jobs, 1))
            yield part, torch.from_numpy(images)


def _parts(wanted: Sequence[Wanted], batch: int) -> Iterator[slice]:
    """At most ``batch`` at once; the views of one case stay together if they fit."""
    start = end = 0
    for _, views in groupby(wanted, lambda one: one.case):
        count = sum(1 for _ in views)
        if start < end and end + count - start > batch:
            yield slice(start, end)
            start = end
        end += count
        while end - start > batch:
            yield slice(start, start + batch)
            start += batch
    if start < end:
        yield slice(start, end)


def _images(reader: CaseReader, wanted: Sequence[Wanted], spec: InputSpec, bank: Bank) -> Tensor:
    images = []
    for case, views in groupby(wanted, lambda one: one.case):
        image, name = resize(reader(case), spec), identity(case)
        images += [view_of(image, bank, name, view) for _, view in views]
    planes = max(len(image) for image in images)
    return torch.stack([image.expand(planes, -1, -1) for image in images])


@contextmanager
def _processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that has started, and has ended when left.

    Raises:
        DataError: one of the processes was killed.
    """
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _begin, (os.getpid(),))
    try:
        with warnings.catch_warnings():  # from Python 3.12 on: there are threads here, see the module's docstring
            warnings.simplefilter("ignore", DeprecationWarning)
            pool.submit(os.getpid)  # the first job forks all processes
        yield pool
    except BrokenProcessPool:
        raise DataError(
            "a process that decodes images was killed, most likely for want of memory; set fewer workers, "
            "or workers=0 to decode without processes"
        ) from None
    except DataError as error:
        raise error from None  # without the worker's traceback
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and is the parent's to act on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # what the parent made (open channels, say) is not this process's to collect
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that was killed can't end its workers, which would wait for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@functools.cache
def _reader() -> CaseReader:
    """A worker's own, for as long as it lives: the arrays of an npz are read once."""
    return CaseReader()


def _in_worker(wanted: Sequence[Wanted], spec: InputSpec, bank: Bank) -> NDArray[np.float32]:
    images: NDArray[np.float32] = _images(_reader(), wanted, spec, bank).numpy()
    return images
