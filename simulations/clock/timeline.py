"""Virtual time: how long a run would have taken at real sites, from its ledger; nobody waits for it.

Each message costs its site a download, computing, an upload, and a latency; all sites work at the same time, and a
step (prepare, a round, the last evaluation) lasts as long as its slowest site. What is left out: the coordinator's
own computing, and its line (all sites are served at once).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.sections import ClockSection, Profile
from fedgraft.server.rounds.ledger import Entry, What

_MEGABIT = 1e6


@dataclass(frozen=True)
class Work:
    """Cases of one site: ``train`` are trained on in each epoch, ``evaluated`` once in each message."""

    train: int
    evaluated: int


@dataclass(frozen=True)
class Facts:
    """What happened in a run: its ledger, the sites' work by name, and of its plan the ``epochs`` per round and the
    ``timeout`` in seconds."""

    entries: tuple[Entry, ...]
    work: Mapping[str, Work]
    epochs: int
    timeout: float


@dataclass(frozen=True)
class CaseCosts:
    """Seconds per case at speed 1: to decode and keep it (once), to train on it (each epoch), to evaluate it."""

    keep: float
    train: float
    evaluate: float


@dataclass(frozen=True)
class Pace:
    """What is assumed of the sites, by name. ``latency`` (per message) and ``offline`` are in seconds; ``backbone`` is
    what a site without the backbone receives, in bytes."""

    profiles: Mapping[str, Profile]
    latency: float
    offline: float
    costs: CaseCosts
    backbone: int


@dataclass(frozen=True)
class Parts:
    """Seconds that one site took in one step. ``offline``: waited for a site that did not answer."""

    download: float = 0.0
    compute: float = 0.0
    upload: float = 0.0
    latency: float = 0.0
    offline: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(astuple(self)))


@dataclass(frozen=True)
class Step:
    """What the ledger asks in one round (``prepare``, ``train``, ...); ``sites`` are those that were asked."""

    round: int
    what: What
    sites: Mapping[str, Parts]

    @property
    def waited_for(self) -> str:
        """The slowest site; of several, the first by name."""
        return min(self.sites, key=lambda name: (-self.sites[name].total, name))

    @property
    def seconds(self) -> float:
        return self.sites[self.waited_for].total


def profiles(clock: ClockSection, names: Sequence[str]) -> dict[str, Profile]:
    """Each site's profile: the default, then what its position (``#1`` is the first name) and its name change.

    Raises:
        PlanError: ``clock.sites`` names a site that the run does not have.
    """
    ordered = sorted(names)
    positions = {f"#{number}": name for number, name in enumerate(ordered, start=1)}
    known = f"this run has {', '.join(ordered)}, or by position #1 to #{len(ordered)}"
    strange = [name for name in clock.sites if name not in positions and name not in ordered]
    if strange:
        raise PlanError([f"clock.sites.{name} is no site of this run; {known}" for name in strange])
    found = dict.fromkeys(ordered, clock.default)
    for key in (*positions, *ordered):
        name = positions.get(key, key)
        found[name] = replace(found[name], **clock.sites.get(key, {}))
    return found


def timeline(facts: Facts, pace: Pace) -> tuple[Step, ...]:
    """Every step of a run, in the order of the ledger.

    ``prepare`` counts as if no site held the backbone: that is the federation that somebody plans, and a simulation's
    cache must not shorten it. A node that could not be prepared has no name in the ledger, and takes no time here.
    """
    steps = []
    for (number, what), group in groupby(facts.entries, key=lambda entry: (entry.round, entry.what)):
        asked = [entry for entry in group if entry.site in pace.profiles and _counts(entry)]
        if asked:
            mine = {name: [entry for entry in asked if entry.site == name] for name in {e.site: None for e in asked}}
            cost = _prepare if what == "prepare" else _message
            steps.append(Step(number, what, {name: cost(some, facts, pace) for name, some in mine.items()}))
    return tuple(steps)


def _counts(entry: Entry) -> bool:
    return entry.what != "prepare" or entry.outcome == "ok"


def _message(entries: Sequence[Entry], facts: Facts, pace: Pace) -> Parts:
    """A message after preparing; a site whose reply was refused has worked all the same. To ``interpolate``, a site is
    asked once for each share."""
    entry = entries[-1]
    waits = {"unreachable": pace.offline, "no-answer": facts.timeout}
    if entry.outcome in waits:
        return Parts(offline=waits[entry.outcome])
    work, costs = facts.work[entry.site], pace.costs
    passes = facts.epochs if entry.what == "train" else 0
    forward = work.train if entry.what == "sums" else work.evaluated
    seconds = work.train * passes * costs.train + forward * costs.evaluate
    times = len(entries) if entry.what == "interpolate" else 1
    down, up = times * entry.bytes_down, times * entry.bytes_up
    return _parts(pace, entry.site, down, up, times * seconds, messages=times)


def _prepare(entries: Sequence[Entry], facts: Facts, pace: Pace) -> Parts:
    """Two messages: the plan, then the plan with the backbone, whose answer comes when all cases are kept.

    The second is not in the ledger of a simulation whose cache held the backbone.
    """
    first, last = entries[0], entries[-1]
    work = facts.work[first.site]
    seconds = (work.train + work.evaluated) * pace.costs.keep
    return _parts(pace, first.site, 2 * first.bytes_down + pace.backbone, 2 * last.bytes_up, seconds, messages=2)


def _parts(pace: Pace, site: str, down: int, up: int, seconds: float, messages: int) -> Parts:
    profile = pace.profiles[site]
    return Parts(
        download=down * 8 / (profile.downlink * _MEGABIT),
        compute=seconds / profile.speed,
        upload=up * 8 / (profile.uplink * _MEGABIT),
        latency=messages * pace.latency,
    )
