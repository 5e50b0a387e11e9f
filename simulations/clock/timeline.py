"""Compute from a run's ledger how long the run would have taken at real sites.

Each message costs its site a download, computing, an upload, and a latency. All sites work at the same time, and a step
(prepare, a round, the last evaluation) lasts as long as its slowest site. The coordinator's own computing and network
line are not counted: it is assumed to serve all sites at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.sections import ClockSection, Profile
from fedgraft.server.exchange.delivery import LATE
from fedgraft.server.exchange.ledger import Entry, What

_MEGABIT = 1e6


@dataclass(frozen=True)
class Work:
    """Numbers of cases of one site: ``train`` for each epoch of training, ``evaluated`` for each message."""

    train: int
    evaluated: int


@dataclass(frozen=True)
class Facts:
    """What happened in a run: its ledger, the sites' work by name, the plan's epochs per round and timeout in s."""

    entries: tuple[Entry, ...]
    work: Mapping[str, Work]
    epochs: int
    timeout: float


@dataclass(frozen=True)
class CaseCosts:
    """Seconds per case at speed 1.

    ``keep``: to decode it and compute the constant part, once. ``train``: for each epoch. ``evaluate``: for each
    evaluation.
    """

    keep: float
    train: float
    evaluate: float


@dataclass(frozen=True)
class Pace:
    """What is assumed of the sites.

    Attributes:
        profiles: line speeds and relative computing speed, by name.
        latency: seconds per message.
        offline: seconds that are waited for a site that can't be reached.
        costs: seconds per case at speed 1.
        backbone: bytes of the message with the backbone.
    """

    profiles: Mapping[str, Profile]
    latency: float
    offline: float
    costs: CaseCosts
    backbone: int


@dataclass(frozen=True)
class Parts:
    """Seconds that one site took in one step, by part. ``offline``: waiting for a site that did not answer."""

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
    """One step of a run: ``what`` was asked (``prepare``, ``train``, ...) in a round, and each asked site's time."""

    round: int
    what: What
    sites: Mapping[str, Parts]

    @property
    def waited_for(self) -> str:
        """The slowest site; of equally slow ones, the first by name."""
        return min(self.sites, key=lambda name: (-self.sites[name].total, name))

    @property
    def seconds(self) -> float:
        return self.sites[self.waited_for].total


def profiles(clock: ClockSection, names: Sequence[str]) -> dict[str, Profile]:
    """Each site's profile: the default, changed by the entry for its position (``#1`` is the first name) or its name.

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
    """All steps of a run, in the order of the ledger.

    ``prepare`` is computed as if no site held the backbone, as in a new federation, even if a simulation's cache held
    it. A node that could not be prepared has no name in the ledger, and is not counted.
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
    return entry.outcome != LATE and (entry.what != "prepare" or entry.outcome == "ok")


def _message(entries: Sequence[Entry], facts: Facts, pace: Pace) -> Parts:
    """The time of a message other than ``prepare``, also if its reply was refused. ``interpolate`` has one message for
    each share, ``gradient`` one for each evaluation, which costs as much as an epoch, ``familiarity`` one over the
    training cases (not at a held-out site) and one over the others."""
    last = entries[-1]
    waits = {"unreachable": pace.offline, "no-answer": facts.timeout}
    offline = waits.get(last.outcome, 0.0)
    came = entries[:-1] if last.outcome in waits else entries
    if not came:
        return Parts(offline=offline)
    work, costs = facts.work[last.site], pace.costs
    passes = {"train": facts.epochs, "gradient": len(came)}.get(last.what, 0)
    both = (len(came) - 1) * work.train + work.evaluated
    forward = {"sums": work.train, "ranking": work.train, "familiarity": both}.get(last.what, work.evaluated)
    seconds = work.train * passes * costs.train + forward * costs.evaluate
    if last.what == "interpolate":
        seconds *= len(came)
    down, up = sum(each.bytes_down for each in came), sum(each.bytes_up for each in came)
    return replace(_parts(pace, last.site, down, up, seconds, messages=len(came)), offline=offline)


def _prepare(entries: Sequence[Entry], facts: Facts, pace: Pace) -> Parts:
    """The time of two messages: the plan, then the plan with the backbone, which is answered once all cases are kept.

    If a simulation's cache held the backbone, its ledger lacks the second one.
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
