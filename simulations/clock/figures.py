"""Figures of a timeline: how long the run takes, which site is the slowest, why, and what would help.

`figures` is the content of ``summary.json``'s ``clock`` (all times in seconds):

- ``total_seconds`` = ``prepare_seconds`` + ``rounds_seconds`` + ``evaluation_seconds``; ``rounds``: how many. The
  messages before the first round count as preparing, those after the last one as evaluation
- ``waited_for.<name>``: in how many rounds that site was the slowest
- ``slowest``: the site for which the others waited longest in all: ``name``, ``rounds``, and the largest ``part`` of
  that time with its ``share``
- ``what_if``: the ``option`` and its doubled ``value`` that would shorten this part, and the ``total_seconds`` with it;
  null if the part is the latency or the site did not answer
- ``sites.<name>``: ``prepare``, once; ``download``, ``compute``, ``upload``, ``latency``, ``offline`` and their sum
  ``total``: means over the rounds in which the site was asked
- ``case_seconds`` (``keep``, ``train``, ``evaluate``), ``backbone_bytes``: the assumed costs
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, replace
from typing import Any

from fedgraft.server.exchange.ledger import LEARNING, What
from fedgraft.simulations.clock.timeline import Facts, Pace, Parts, Step, timeline

REMEDIES = {"download": "downlink", "compute": "speed", "upload": "uplink"}
"""The option of a site's profile that shortens each part of its time."""
_FACTOR = 2
_BEFORE: tuple[What, ...] = ("describe", "prepare", "moments", "ranking", "sums", "initial")
_AFTER: tuple[What, ...] = ("unseen", "interpolate", "evaluate", "familiarity")


def figures(facts: Facts, pace: Pace) -> dict[str, Any]:
    """The content of ``summary.json``'s ``clock``."""
    steps = timeline(facts, pace)
    rounds = _of(steps, *LEARNING)
    slowest = _slowest(rounds)
    return {
        "total_seconds": _total(steps),
        "prepare_seconds": _total(_of(steps, *_BEFORE)),
        "rounds_seconds": _total(rounds),
        "evaluation_seconds": _total(_of(steps, *_AFTER)),
        "rounds": len(rounds),
        "waited_for": dict(Counter(step.waited_for for step in rounds).most_common()),
        "slowest": slowest,
        "what_if": _what_if(facts, pace, slowest["name"], slowest["part"]),
        "sites": {name: _site(steps, name) for name in pace.profiles if _asked(steps, name)},
        "case_seconds": asdict(pace.costs),
        "backbone_bytes": pace.backbone,
    }


def line(step: Step) -> dict[str, Any]:
    """One line of ``clock.jsonl``."""
    return {
        "round": step.round,
        "what": step.what,
        "seconds": _short(step.seconds),
        "waited_for": step.waited_for,
        "sites": {name: _spelled(parts) for name, parts in step.sites.items()},
    }


def _of(steps: Sequence[Step], *what: str) -> list[Step]:
    return [step for step in steps if step.what in what]


def _total(steps: Iterable[Step]) -> float:
    return _short(sum(step.seconds for step in steps))


def _asked(steps: Sequence[Step], name: str) -> bool:
    return any(name in step.sites for step in steps)


def _slowest(rounds: Sequence[Step]) -> dict[str, Any]:
    """The site that the others waited for longest, and the largest part of that time."""
    waits: dict[str, float] = {}
    for step in rounds:
        waits[step.waited_for] = waits.get(step.waited_for, 0.0) + step.seconds
    name = min(waits, key=lambda name: (-waits[name], name))
    mine = [step.sites[name] for step in rounds if step.waited_for == name]
    whole = asdict(_sum(mine))
    part = max(whole, key=lambda part: whole[part])
    share = whole[part] / waits[name] if waits[name] else 0.0
    return {"name": name, "rounds": len(mine), "part": part, "share": round(share, 4)}


def _what_if(facts: Facts, pace: Pace, name: str, part: str) -> dict[str, Any] | None:
    if part not in REMEDIES:
        return None
    remedy = REMEDIES[part]
    value = _FACTOR * getattr(pace.profiles[name], remedy)
    better = {**pace.profiles, name: replace(pace.profiles[name], **{remedy: value})}
    total = _total(timeline(facts, replace(pace, profiles=better)))
    return {"option": f"clock.sites.{name}.{remedy}", "value": value, "total_seconds": total}


def _site(steps: Sequence[Step], name: str) -> dict[str, float]:
    once = sum(step.sites[name].total for step in _of(steps, "prepare") if name in step.sites)
    asked = [step.sites[name] for step in _of(steps, *LEARNING) if name in step.sites]
    mean = Parts(*(value / max(1, len(asked)) for value in astuple(_sum(asked))))
    return {"prepare": _short(once), **_spelled(mean)}


def _sum(some: Iterable[Parts]) -> Parts:
    return Parts(*map(sum, zip(*map(astuple, some), strict=True)))


def _spelled(parts: Parts) -> dict[str, float]:
    return {**{name: _short(value) for name, value in asdict(parts).items()}, "total": _short(parts.total)}


def _short(seconds: float) -> float:
    return round(seconds, 4)
