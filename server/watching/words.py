"""A run in words: its headline, what each site does, and what has changed since the last look."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.common.runtime.moments import ago, clock_time
from fedgraft.server.exchange.deployed_grid import Asked
from fedgraft.server.exchange.ledger import Entry
from fedgraft.server.watching.observed import ENDS, Groups, Observed, SeenSite

_BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 60


def headline(run: Observed) -> str:
    """State, round and what is left, in a line."""
    parts = [f"{run.out.name}: {run.state}"]
    if run.state not in ENDS:
        parts.append(_round(run))
    elif run.state == "ended":
        parts.append(f"after round {max(run.number, 0)} of {run.rounds}")
    figures = [value for value in run.curve if value is not None]
    if figures or run.groups == "not given":
        parts.append(figure_with_mark(run.figure, figures[-1] if figures else None, run.groups))
    if run.remaining is not None:
        parts.append(f"about {ago(run.remaining)} left")
    if run.reason:
        parts.append(run.reason)
    return ", ".join(parts)


def figure_with_mark(name: str, value: float | None, groups: Groups) -> str:
    """The headline figure, with what scores told by groups leave of it."""
    if value is None or groups == "not given":
        return f"{name} not given (scores in too few groups)" if groups == "not given" else "-"
    return f"{name} {value:.3f}{' (scores in groups)' * (groups == 'marked')}"


def _round(run: Observed) -> str:
    if run.number < 0:
        return f"before round 1 of {run.rounds}"
    if run.number >= run.rounds:
        return "last evaluation"
    return f"round {run.number + 1} of {run.rounds}"


def sparkline(run: Observed) -> str:
    """The curve of the headline figure in block characters, the last `MOST_BARS` rounds; a dot where it is
    undefined."""
    shown = run.curve[-MOST_BARS:]
    values = [value for value in shown if value is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / (len(_BARS) - 1)
    return "".join("·" if value is None else _BARS[round((value - low) / step) if step else 0] for value in shown)


def heard(site: SeenSite, now: float) -> str:
    """When a site was heard last."""
    if site.heard is None:
        return "never"
    if site.silent:
        return f"silent since {clock_time(site.heard)}"
    return f"{ago(now - site.heard)} ago"


def doing(site: SeenSite, run: Observed) -> str:
    """What a site computes now, or answered last and how long that took."""
    asked = site.asked
    if asked is None:
        return "was asked nothing yet"
    what = _what(asked)
    if site.unapproved and asked.failed and run.state not in ENDS:
        return "waits: nobody there has approved the plan yet"
    if asked.answered is not None:
        took = f"{asked.answered:.1f} s" if asked.answered < 10 else ago(asked.answered)
        return f"{'failed' if asked.failed else 'answered'} {what} after {took}"
    if site.silent and run.state not in ENDS:
        return f"was asked {what} {ago(run.now - asked.since)} ago"
    if run.state in ("running", "waiting"):
        return f"computes {what} for {ago(run.now - asked.since)}"
    return f"did not answer {what}"


def _what(asked: Asked) -> str:
    return asked.what if asked.round is None else f"{asked.what}, round {asked.round}"


def dropped(site: SeenSite) -> str:
    """How often a site was dropped, and why the last time; empty if never."""
    if not site.drops:
        return ""
    times = f"{len(site.drops)} times, last in " if len(site.drops) > 1 else ""
    return f"{times}{_drop(site.drops[-1])}"


def _drop(entry: Entry) -> str:
    return f"round {entry.round} ({entry.what}): {entry.outcome}, {entry.reason}"


def news(before: Observed | None, run: Observed) -> Iterator[str]:
    """A line for each thing that has changed since the last look; the headline at the first."""
    if before is None:
        yield headline(run)
        yield from (f"left out, since the plan does not fit: {name}" for name in run.left_out)
    elif (before.state, before.reason) != (run.state, run.reason) or before.number != run.number:
        yield headline(run)
    was = {} if before is None else {site.name: site for site in before.sites}
    for site in run.sites:
        earlier = was.get(site.name)
        silent = earlier is not None and earlier.silent
        if site.silent and not silent and run.state not in ENDS:
            yield f"site {site.name} is {heard(site, run.now)}"
        if silent and not site.silent:
            yield f"site {site.name} is heard again"
        for entry in site.drops[0 if earlier is None else len(earlier.drops) :]:
            yield f"site {site.name} dropped in {_drop(entry)}"
        if before is not None and _asked(site) != _asked(earlier) and site.asked is not None:
            is_new = site.asked.answered is None
            yield f"site {site.name} {f'is asked {_what(site.asked)}' if is_new else doing(site, run)}"


def _asked(site: SeenSite | None) -> object:
    return None if site is None or site.asked is None else (site.asked.since, site.asked.answered)
