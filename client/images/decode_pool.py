"""Decode files in separate processes, so that a file which crashes a decoder, hangs or eats memory fails alone.

The processes are forked, since a new interpreter would need four seconds to import torch. A forked process lacks the
parent's OpenMP and gRPC threads, so it stays single-threaded. Pixels are returned through a pipe, since a container has
only 64 MB of shared memory.
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
_MOST_THREADS = 8  # GDCM starts one per CPU, and each takes address space, which is limited


class DecodeRequest(NamedTuple):
    """One file (or a series' folder), and the cases in it to decode."""

    file: str
    cases: tuple[Case, ...]


class Decoded(NamedTuple):
    """The result of one case: ``()`` of `FACTS`, and its pixels as they are kept; ``None`` if it can't be used."""

    facts: NDArray[np.void]
    pixels: NDArray[np.uint16] | None


class DecodeReply(NamedTuple):
    """The reply to a request: the digest of the file (empty if it can't be read), and its cases' results in order."""

    content: bytes
    cases: list[Decoded]


def decoded(
    requests: Sequence[DecodeRequest], reading: Reading, spec: ImageSpec, workers: int
) -> Iterator[tuple[DecodeRequest, DecodeReply]]:
    """Decode, describe (`FACTS`) and resize every case, in the order of ``requests``; repeated requests come last.

    Args:
        workers: number of processes; 0 decodes in this one, without limits on time and memory and without protection
            from crashes.
    """
    if workers == 0:
        for request in requests:
            yield request, take(request, CaseReader(reading), spec)
        return
    if any(Path(request.file).suffix.lower() not in FORMATS for request in requests):
        import scipy.sparse  # noqa: F401 - these once here, not in each process

        import fedgraft.client.images.dicom.read  # noqa: F401
    left, again, stuck = deque(requests), set[DecodeRequest](), None
    while left:
        try:
            yield from _through_processes(left, again, reading, spec, workers)
        except _StuckError as error:
            if left[0] != stuck:
                stuck = left[0]
            elif error.__cause__ is None:  # stuck twice at the same file: the file is the cause
                yield left[0], _refused(left.popleft(), "crashed")
            else:  # no process can be started
                raise RuntimeError("decoding failed with BrokenProcessPool; please report it") from error


def _through_processes(
    left: deque[DecodeRequest], again: set[DecodeRequest], reading: Reading, spec: ImageSpec, workers: int
) -> Iterator[tuple[DecodeRequest, DecodeReply]]:
    """Answer the requests in ``left``, and remove them.

    If a request with several cases was cut off, each of its cases is requested separately. A single case whose process
    died is requested once more, since another process may have used up the memory.

    Args:
        again: single cases that were requested again.

    Raises:
        _StuckError: the processes have stopped answering.
    """
    threads = max(1, cores() // workers) if (os.cpu_count() or 1) <= _MOST_THREADS else 1
    with _processes(min(workers, len(left)), reading.limits.decoded_bytes) as pool:
        jobs = ((request, _schedule(pool, request, reading, spec, threads)) for request in tuple(left))
        ahead = deque(islice(jobs, _AHEAD * workers))
        while ahead:
            request, job = ahead.popleft()
            answer = _result(request, job, reading.limits.seconds * len(request.cases) + _GRACE_SECONDS)
            left.popleft()
            ahead.extend(islice(jobs, 1))
            if len(request.cases) > 1 and _was_cut_off(answer):
                left.extend(DecodeRequest(request.file, (case,)) for case in request.cases)
            elif _reason(answer) == "crashed" and request not in again:
                again.add(request)
                left.append(request)
            else:
                yield request, answer


def take(request: DecodeRequest, reader: CaseReader, spec: ImageSpec) -> DecodeReply:
    """Decode one request in this process."""
    return _answer(request, lambda case: _take(case, reader, spec))


def look(request: DecodeRequest, reader: CaseReader) -> DecodeReply:
    """Decode one request in this process, but return only facts, no pixels."""
    return _answer(request, lambda case: _take(case, reader, None))


def _answer(request: DecodeRequest, one: Callable[[Case], Decoded]) -> DecodeReply:
    try:
        content = digest_of(Path(request.file))
    except OSError:
        return DecodeReply(b"", [Decoded(refusal("missing"), None)] * len(request.cases))
    return DecodeReply(content, [one(case) for case in request.cases])


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
    pool: ProcessPool, request: DecodeRequest, reading: Reading, spec: ImageSpec, threads: int
) -> Future[DecodeReply]:
    seconds = reading.limits.seconds * len(request.cases)
    try:
        job: Future[DecodeReply] = pool.schedule(_in_worker, args=[request, reading, spec, threads], timeout=seconds)
    except RuntimeError as error:  # the pool broke since the last answer
        job = Future()
        job.set_exception(BrokenProcessPool(str(error)))
    return job


class _StuckError(Exception):
    """The pool is stuck: a process that was killed from outside (out of memory, say) can hold its lock for ever."""


def _result(request: DecodeRequest, job: Future[DecodeReply], patience: float) -> DecodeReply:
    """A job's answer; if the pool ended the job, a refusal with the reason. Requests start in turn, so that the oldest
    one has started."""
    try:
        return job.result(patience)
    except TimeoutError:
        if not job.done():
            raise _StuckError from None
        return _refused(request, "too-slow")
    except ProcessExpired:
        return _refused(request, "crashed")
    except BrokenProcessPool as error:  # its processes ended one after another, waiting for the lock
        raise _StuckError from error
    except Exception as error:  # ours, not the file's: every reader raises `CaseError`
        raise RuntimeError(f"decoding failed with {type(error).__name__}; please report it") from error


def _refused(request: DecodeRequest, reason: str) -> DecodeReply:
    """A reply with one reason for all cases; without a digest, since reading the file may have been too slow."""
    return DecodeReply(b"", [Decoded(refusal(reason), None)] * len(request.cases))


def _was_cut_off(answer: DecodeReply) -> bool:
    return _reason(answer) in ("too-slow", "crashed")


def _reason(answer: DecodeReply) -> str | None:
    return reason_of(int(answer.cases[0].facts["reason"]))


@contextmanager
def _processes(workers: int, decoded_bytes: int) -> Iterator[ProcessPool]:
    """A pool of processes, which have ended when the block is left."""
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
    """Initialise a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and is the parent's to act on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # what the parent made (open channels, say) is not this process's to collect
    torch.set_num_threads(1)
    _bound_memory(4 * decoded_bytes + _OVERHEAD_BYTES)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _bound_memory(more: int) -> None:
    """Limit this process's memory to ``more`` bytes above what it has now; larger allocations then fail."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # not Linux: only the limits that are computed from the header hold
        return
    now = pages * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = now + more if hard == resource.RLIM_INFINITY else min(hard, now + more)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _end_with(parent: int) -> None:
    """End this worker when its parent ends: a parent that is killed can't do so, and the worker would wait for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@functools.lru_cache(maxsize=1)
def _reader(reading: Reading, threads: int) -> CaseReader:
    """The reader of this worker process, made once."""
    return CaseReader(reading, threads)


def _in_worker(request: DecodeRequest, reading: Reading, spec: ImageSpec, threads: int) -> DecodeReply:
    return take(request, _reader(reading, threads), spec)
