"""The site's figures for Prometheus: of the whole site; nothing of a case, and no file's name."""

from __future__ import annotations

from collections import Counter

from fedgraft.client.overview.overview import Overview
from fedgraft.common.web.metrics import Metric, Sample


def metrics(found: Overview) -> tuple[Metric, ...]:
    """All of them."""
    times: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    for one in found.left:
        times[one.what] += one.times
        sent[one.what] += one.bytes
    return (
        Metric("fedgraft_site_connected", "1 if `site start` runs", "gauge", [Sample(float(found.connected))]),
        Metric("fedgraft_site_plans_waiting", "that a person must decide on", "gauge", [Sample(len(found.waiting))]),
        Metric("fedgraft_site_log_is_whole", "1 if nobody changed it", "gauge", [Sample(float(not found.log))]),
        Metric("fedgraft_site_released", "answers that left, by kind", "counter", _by_kind(times)),
        Metric("fedgraft_site_released_bytes", "of weights that left, by kind", "counter", _by_kind(sent)),
        Metric(
            "fedgraft_site_work_seconds",
            "that messages took, by kind",
            "counter",
            [Sample(one.seconds, {"what": one.what}) for one in found.work],
        ),
        Metric("fedgraft_site_disk_used_bytes", "of its state and store", "gauge", [Sample(found.used)]),
        Metric("fedgraft_site_disk_free_bytes", "on that disk", "gauge", [Sample(found.free)]),
    )


def _by_kind(counts: Counter[str]) -> list[Sample]:
    return [Sample(count, {"what": what}) for what, count in sorted(counts.items())]
