"""The drills of `mishaps.py`: each begins a run, does what its first line says, and returns the sites that may then be
missing from a round, if that is named; none if only the bits of an undisturbed run will do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from disturbed import (
    STUCK_SECONDS,
    NotRunError,
    Place,
    WrongError,
    filled,
    moved_clock,
    other_files,
    own_disk,
    read_only,
)
from loopback import wait

AWAY_SECONDS, FULL_SECONDS, FULL_HERE_SECONDS = 30.0, 15.0, 45.0
DEADLINE, BEYOND_SECONDS, FOR_GOOD_SECONDS = 30.0, 75.0, 100.0
SITES = ALDER, BIRCH, CEDAR = "alder", "birch", "cedar"  # the state folder of cedar has a disk of its own


def cut_line(place: Place) -> tuple[str, ...]:
    """All lines break off for 30 s."""
    place.begin("cut-line")
    place.reach(1)
    place.where.relay.cut()
    time.sleep(AWAY_SECONDS)
    place.where.relay.join()
    return SITES


def dead_line(place: Place) -> tuple[str, ...]:
    """For 30 s nothing passes the lines, and no connection is told."""
    place.begin("dead-line")
    place.reach(1)
    place.where.relay.hold()
    time.sleep(AWAY_SECONDS)
    place.where.relay.release()
    return SITES


def late_reply(place: Place) -> tuple[str, ...]:
    """The process of a message stands still beyond the deadline, and its answer comes late."""
    place.begin("late-reply", DEADLINE)
    place.reach(1)
    place.stopped(place.training(BIRCH), BEYOND_SECONDS)
    return (BIRCH,)


def stopped_executor(place: Place) -> tuple[str, ...]:
    """A site's executor stands still beyond the deadline."""
    place.begin("stopped-executor", DEADLINE)
    place.reach(1)
    place.stopped(place.where.process(BIRCH, "executor"), BEYOND_SECONDS)
    return (BIRCH,)


def executor_for_good(place: Place) -> tuple[str, ...]:
    """A site's executor stands still for good; its supervisor starts another after a minute."""
    place.begin("executor-for-good")
    place.reach(1)
    place.training(BIRCH)
    place.stopped(place.where.process(BIRCH, "executor"), FOR_GOOD_SECONDS)
    return (BIRCH,)  # on a busy machine the deadline may be over before it has answered


def stopped_supernode(place: Place) -> tuple[str, ...]:
    """A site's SuperNode stands still for longer than Flower waits for a sign of life."""
    place.begin("stopped-supernode")
    place.reach(1)
    place.stopped(place.where.process(BIRCH, "supernode"), BEYOND_SECONDS)
    return (BIRCH,)


def stopped_gateway(place: Place) -> tuple[str, ...]:
    """The coordinator's gateway stands still for 30 s."""
    place.begin("stopped-gateway")
    place.reach(1)
    place.stopped(place.where.part("gateway"), AWAY_SECONDS)
    return SITES


def reply_sent_twice(place: Place) -> tuple[str, ...]:
    """A SuperNode is killed while it sends an answer, which is then sent again."""
    place.begin("reply-sent-twice")
    place.reach(1)
    answer = place.where.state(BIRCH) / "answer"
    if not wait(answer.exists, STUCK_SECONDS, pause=0.002):
        raise WrongError("no answer was ever being sent")
    pid = place.where.process(BIRCH, "supernode")
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    return (BIRCH,)  # Flower may tell the coordinator that the site went away before the answer is there


def two_coordinators(place: Place) -> tuple[str, ...]:
    """A second coordinator is started on the folder, and the run submitted again; both are refused by name."""
    place.begin("two-coordinators")
    place.reach(1)
    root, out = str(place.where.folder.root), str(place.where.out)
    for words, said in (
        (("coordinator", "start", root), "is already running (process "),
        (("coordinator", "run", root, "--resume", out), "the run is going on; nothing was submitted"),
    ):
        done = place.where.command(*words)
        if done.returncode == 0 or said not in done.stderr:
            raise WrongError(f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr[-300:]}")
    return ()


def full_disk(place: Place) -> tuple[str, ...]:
    """The disk of a site's state folder is full for 15 s."""
    folder = own_disk(place.where.state(CEDAR))
    place.begin("full-disk")
    place.reach(1)
    with filled(folder):
        time.sleep(FULL_SECONDS)
    return (CEDAR,)


def read_only_disk(place: Place) -> tuple[str, ...]:
    """A site's state folder can't be written to for 15 s."""
    place.begin("read-only-disk")
    place.reach(1)
    with read_only(place.where.state(CEDAR)):
        time.sleep(FULL_SECONDS)
    return (CEDAR,)


def full_disk_at_the_coordinator(place: Place) -> tuple[str, ...]:
    """The disk of the run's folder is full for 45 s."""
    if place.small is None:
        raise NotRunError("no tmpfs can be mounted; be root")
    place.begin("full-disk-at-the-coordinator", out=place.small / "run")
    place.reach(1)
    with filled(place.small):
        time.sleep(FULL_HERE_SECONDS)
    return ()


def clock_of_a_site(place: Place) -> tuple[str, ...]:
    """A site's clock jumps ten minutes ahead, and back again after 30 s."""
    with moved_clock(place, place.where.hospitals[BIRCH], "connected to") as move:
        place.begin("clock-of-a-site")
        place.reach(1)
        move(600)
        time.sleep(AWAY_SECONDS)
        move(0)
        place.until_ended()
    return (BIRCH,)


def clock_of_the_coordinator(place: Place) -> tuple[str, ...]:
    """The coordinator's clock jumps an hour ahead, and back again after 30 s."""
    with moved_clock(place, place.where.coordinator, "coordinator is up") as move:
        place.begin("clock-of-the-coordinator")
        place.reach(1)
        move(3600)
        time.sleep(AWAY_SECONDS)
        move(0)
        place.until_ended()
    return (ALDER,)


def vanished_cases(place: Place) -> tuple[str, ...]:
    """Five of a site's files are gone after round 1."""
    place.begin("vanished-cases")
    place.reach(1)
    with other_files(place, BIRCH, 5, Path.unlink):
        place.until_ended()
    return (BIRCH,)


def unreadable_case(place: Place) -> tuple[str, ...]:
    """One of a site's files can't be read any more after round 1."""
    place.begin("unreadable-case")
    place.reach(1)
    with other_files(place, BIRCH, 1, lambda file: file.write_bytes(b"no image")):
        place.until_ended()
    return (BIRCH,)


DRILLS: dict[str, Callable[[Place], tuple[str, ...]]] = {
    drill.__name__.replace("_", "-"): drill
    for drill in (
        *(cut_line, dead_line, late_reply, stopped_executor, executor_for_good, stopped_supernode, stopped_gateway),
        reply_sent_twice,
        *(two_coordinators, full_disk, read_only_disk, full_disk_at_the_coordinator),
        *(clock_of_a_site, clock_of_the_coordinator, vanished_cases, unreadable_case),
    )
}
