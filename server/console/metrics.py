"""The coordinator's figures for Prometheus: by hospital and of the run; nothing of a case, and no file's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fedgraft.common.web.metrics import Metric, Sample
from fedgraft.server.watching.snapshot import Federation


def metrics(found: Federation) -> tuple[Metric, ...]:
    """All of them."""
    return (*_coordinator(found), *_hospitals(found), *_run(found))


def _coordinator(found: Federation) -> Iterator[Metric]:
    up = [] if found.running is None else [Sample(float(found.running))]
    yield Metric("fedgraft_coordinator_up", "1 if the coordinator answers", "gauge", up)
    days = [Sample(found.certificate_days)]
    yield Metric("fedgraft_certificate_days", "days for which the server certificate holds", "gauge", days)
    states = Counter(one.state for one in found.runs)
    runs = [Sample(count, {"state": state}) for state, count in sorted(states.items())]
    yield Metric("fedgraft_runs", "runs by state", "gauge", runs)


def _hospitals(found: Federation) -> Iterator[Metric]:
    online = [Sample(float(one.state == "online"), {"site": one.name}) for one in found.hospitals]
    yield Metric("fedgraft_site_online", "1 if the site is connected and was heard lately", "gauge", online)
    heard = [Sample(round(one.heard, 1), {"site": one.name}) for one in found.hospitals if one.heard is not None]
    yield Metric("fedgraft_site_heard_seconds", "seconds since the site told of itself", "gauge", heard)
    ahead = [Sample(one.ahead, {"site": one.name}) for one in found.hospitals if one.ahead is not None]
    yield Metric("fedgraft_site_clock_ahead_seconds", "by which its clock is ahead of ours", "gauge", ahead)
    waits = [Sample(float(one.approval == "waiting"), {"site": one.name}) for one in found.hospitals]
    yield Metric("fedgraft_site_waiting_for_approval", "1 if a person there must approve the plan", "gauge", waits)


def _run(found: Federation) -> Iterator[Metric]:
    run = found.run
    if run is None:
        return
    yield Metric("fedgraft_run_goes_on", "1 if a run goes on", "gauge", [Sample(float(run.state == "running"))])
    yield Metric("fedgraft_run_round", "rounds that are over", "gauge", [Sample(max(run.number, 0))])
    yield Metric("fedgraft_run_rounds", "rounds of the plan", "gauge", [Sample(run.rounds)])
    figures = [one.figure for one in run.course if one.figure is not None][-1:]
    labels = {"figure": run.figure}
    yield Metric("fedgraft_run_figure", "the headline figure", "gauge", [Sample(v, labels) for v in figures])
    left = [] if run.remaining is None else [Sample(round(run.remaining, 1))]
    yield Metric("fedgraft_run_remaining_seconds", "to its end, as far as can be told", "gauge", left)
    up, down = sum(one.up for one in run.course), sum(one.down for one in run.course)
    sent = [Sample(up, {"way": "from_sites"}), Sample(down, {"way": "to_sites"})]
    yield Metric("fedgraft_run_bytes", "of the run's rounds, in the content of messages", "counter", sent)
    drops = [Sample(len(site.drops), {"site": site.name}) for site in run.sites]
    yield Metric("fedgraft_run_drops", "answers that could not be used", "counter", drops)
