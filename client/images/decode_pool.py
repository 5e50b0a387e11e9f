"""Files to pixels, in processes of their own: a file that crashes, stalls or swells a decoder costs that file only.

The processes are forked: a new interpreter would import torch for four seconds. A forked process has none of the
threads that OpenMP or gRPC had here, so it stays on one thread. Pixels come back through a pipe, not shared memory, of
which a container has 64 MB.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import resource
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError, reason_of
from fedgraft.client.images.content import digest_of
from fedgraft.client.images.facts import facts_of, refusal
from fedgraft.client.images.pixels import encode
from fedgraft.client.images.raster import FORMATS
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.images.transforms import resize
from fedgraft.client.site.machine import cores
from fedgraft.common.interfaces.inputs import ImageSpec

_OVERHEAD_BYTES = 1 << 29
_AHEAD = 4
_GRACE_SECONDS = 30.0
_MOST_THREADS = 8  # GDCM starts one for each CPU there is, and each takes address space, which is bounded


class DecodeRequest(NamedTuple):
    """One file (or a series' folder), and the cases in it to decode."""

    file: str
    cases: tuple[Case, ...]


class Decoded(NamedTuple):
    """What came of one case: ``()`` of `FACTS`, and its pixels as they are kept, ``None`` if it can't be used."""

    facts: NDArray[np.void]
    pixels: NDArray[np.uint16] | None


class DecodeReply(NamedTuple):
    """Of an order: SHA-256 of the file (empty if it can't be read), and what came of each case, in order."""

    content: bytes
    taken: list[Decoded]


def decoded(
    orders: Sequence[DecodeRequest], reading: Reading, spec: ImageSpec, workers: int
) -> Iterator[tuple[DecodeRequest, DecodeReply]]:
    """Read, look at and resize every case, in the order of ``orders``; what is asked for again comes last.

    Args:
        workers: processes; 0 decodes in this one, without the limits on time and memory, and without their protection.
    """
    if workers == 0:
        for order in orders:
            yield order, take(order, CaseReader(reading), spec)
        return
    if any(Path(order.file).suffix.lower() not in FORMATS for order in orders):
        import fedgraft.client.images.dicom.read  # noqa: F401 - once here, not in each process
    left, again, stuck = deque(orders), set[DecodeRequest](), None
    while left:
        try:
            yield from _through_processes(left, again, reading, spec, workers)
        except _StuckError as error:
            if left[0] != stuck:
                stuck = left[0]
            elif error.__cause__ is None:  # twice at the same file: it is the file
                yield left[0], _refused(left.popleft(), "crashed")
            else:  # no process can be started
                raise RuntimeError("decoding failed with BrokenProcessPool; please report it") from error


def _through_processes(
    left: deque[DecodeRequest], again: set[DecodeRequest], reading: Reading, spec: ImageSpec, workers: int
) -> Iterator[tuple[DecodeRequest, DecodeReply]]:
    """Answer what is ``left``, and take it off.

    Of an order that was cut off, each case is asked for by itself; and once more a case whose process died, for another
    may have taken the memory.

    Args:
        again: single cases that were asked for again.

    Raises:
        _StuckError: of the processes nothing more comes.
    """
    threads = max(1, cores() // workers) if (os.cpu_count() or 1) <= _MOST_THREADS else 1
    with _processes(min(workers, len(left)), reading.limits.decoded_bytes) as pool:
        jobs = ((order, _schedule(pool, order, reading, spec, threads)) for order in tuple(left))
        ahead = deque(islice(jobs, _AHEAD * workers))
        while ahead:
            order, job = ahead.popleft()
            answer = _result(order, job, reading.limits.seconds * len(order.cases) + _GRACE_SECONDS)
            left.popleft()
            ahead.extend(islice(jobs, 1))
            if len(order.cases) > 1 and _was_cut_off(answer):
                left.extend(DecodeRequest(order.file, (case,)) for case in order.cases)
            elif _reason(answer) == "crashed" and order not in again:
                again.add(order)
                left.append(order)
            else:
                yield order, answer


def take(order: DecodeRequest, reader: CaseReader, spec: ImageSpec) -> DecodeReply:
    """`decoded` of one order, in this process."""
    return _answer(order, lambda case: _take(case, reader, spec))


def look(order: DecodeRequest, reader: CaseReader) -> DecodeReply:
    """`take` without pixels."""
    return _answer(order, lambda case: _take(case, reader, None))


def _answer(order: DecodeRequest, one: Callable[[Case], Decoded]) -> DecodeReply:
    try:
        content = digest_of(Path(order.file))
    except OSError:
        return DecodeReply(b"", [Decoded(refusal("missing"), None)] * len(order.cases))
    return DecodeReply(content, [one(case) for case in order.cases])


def _take(case: Case, reader: CaseReader, spec: ImageSpec | None) -> Decoded:
    try:
        picture = reader(case)
        facts = facts_of(picture)
        if spec is None:
            return Decoded(facts, None)
        kept = encode(resize(picture.pixels, spec))
    except CaseError as error:
        return Decoded(refusal(error.reason), None)
    except MemoryError:
        return Decoded(refusal("too-large"), None)
    return Decoded(facts, kept)


def _schedule(
    pool: ProcessPool, order: DecodeRequest, reading: Reading, spec: ImageSpec, threads: int
) -> Future[DecodeReply]:
    seconds = reading.limits.seconds * len(order.cases)
    try:
        job: Future[DecodeReply] = pool.schedule(_in_worker, args=[order, reading, spec, threads], timeout=seconds)
    except RuntimeError as error:  # the pool broke since the last answer
        job = Future()
        job.set_exception(BrokenProcessPool(str(error)))
    return job


class _StuckError(Exception):
    """A process that was killed from outside (for want of memory, say) can hold the pool's lock for ever."""


def _result(order: DecodeRequest, job: Future[DecodeReply], patience: float) -> DecodeReply:
    """The answer, or the refusal that the pool's own end of the job means; orders start in turn, so the oldest has
    started."""
    try:
        return job.result(patience)
    except TimeoutError:
        if not job.done():
            raise _StuckError from None
        return _refused(order, "too-slow")
    except ProcessExpired:
        return _refused(order, "crashed")
    except BrokenProcessPool as error:  # its processes ended one after another, waiting for the lock
        raise _StuckError from error
    except Exception as error:  # ours, not the file's: every reader raises `CaseError`
        raise RuntimeError(f"decoding failed with {type(error).__name__}; please report it") from error


def _refused(order: DecodeRequest, reason: str) -> DecodeReply:
    """Without the file's digest: reading it may be what took too long."""
    return DecodeReply(b"", [Decoded(refusal(reason), None)] * len(order.cases))


def _was_cut_off(answer: DecodeReply) -> bool:
    return _reason(answer) in ("too-slow", "crashed")


def _reason(answer: DecodeReply) -> str | None:
    return reason_of(int(answer.taken[0].facts["reason"]))


@contextmanager
def _processes(workers: int, decoded_bytes: int) -> Iterator[ProcessPool]:
    """A pool that has ended when left."""
    with warnings.catch_warnings():  # from Python 3.12 on: there are threads here, see the module's docstring
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = ProcessPool(
            workers,
            initializer=_begin,
            initargs=[os.getpid(), decoded_bytes],
            context=multiprocessing.get_context("fork"),
        )
        try:
            yield pool
            pool.close()
        except BaseException:
            pool.stop()
            raise
        finally:
            with suppress(TimeoutError):  # a pool that is stuck
                pool.join(_GRACE_SECONDS)


def _begin(parent: int, decoded_bytes: int) -> None:
    """What a process does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and is the parent's to act on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # what the parent made (open channels, say) is not this process's to collect
    torch.set_num_threads(1)
    _bound_memory(4 * decoded_bytes + _OVERHEAD_BYTES)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _bound_memory(more: int) -> None:
    """An allocation fails that would take this process ``more`` bytes beyond what it has now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # not Linux: only the limits that are computed from the header hold
        return
    now = pages * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = now + more if hard == resource.RLIM_INFINITY else min(hard, now + more)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _end_with(parent: int) -> None:
    """A parent that was killed can't end its workers, which would wait for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@functools.lru_cache(maxsize=1)
def _reader(reading: Reading, threads: int) -> CaseReader:
    """A process's own, for as long as it lives."""
    return CaseReader(reading, threads)


def _in_worker(order: DecodeRequest, reading: Reading, spec: ImageSpec, threads: int) -> DecodeReply:
    return take(order, _reader(reading, threads), spec)
