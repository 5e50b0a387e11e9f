"""What the labels alone tell of a study before anything is trained: weights, priors or sampling without an effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fedgraft.client.cohort.case import Case
from fedgraft.client.site.site_file import ReleasePolicy
from fedgraft.common import tasks
from fedgraft.common.errors import InertError, PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.class_counts import require_imbalance
from fedgraft.simulations.study.baselines import Arrangement
from fedgraft.simulations.study.splits import with_splits


def require_effects(some: Iterable[Arrangement], environ: Mapping[str, str]) -> None:
    """Check that the options of the federation and its rivals against imbalance have an effect, by the labels of their
    training cases. Cases that turn out to be unusable count here; a site's counts that it may withhold say nothing.

    Raises:
        PlanError: one has none; names the seed, and the rival.
    """
    for one in some:
        if not one.is_recipe or one.draw.is_thinned or not _asks(one.plan):
            continue  # the study itself makes classes equally common, and leaves such options out by itself
        try:
            require_imbalance(one.plan, _offers(one, environ))
        except InertError as error:
            where = f"against, {one.name}" if one.rival else f"seed {one.plan.seed}{one.draw.words}, {one.name}"
            raise PlanError([f"{where}: {problem}" for problem in error.problems]) from None


def _asks(plan: Plan) -> bool:
    loss = plan.loss
    return loss.weights != "none" or loss.prior != "none" or loss.absent != "keep" or plan.sampling.target is not None


def _offers(one: Arrangement, environ: Mapping[str, str]) -> list[Offer]:
    """What the sites that train would tell of their class counts."""
    sites = {name: cases for name, cases in one.partitioned.sites.items() if name not in one.plan.hold_out}
    counted = {name: _counts(one.plan, cases, environ) for name, cases in sites.items()}
    known = [counts for counts in counted.values() if counts is not None]
    if len(known) < len(counted):
        return []
    return [Offer(name, one.plan.digest, True, sum(counts or ()), counts) for name, counts in counted.items()]


def _counts(plan: Plan, cases: Sequence[Case], environ: Mapping[str, str]) -> tuple[int, ...] | None:
    task = tasks.of(plan.data)
    split = cases if all(case.split is not None for case in cases) else with_splits(plan, tuple(cases), environ)
    counts = task.count(task.targets([case for case in split if case.split == "train"]))
    return task.releasable(counts, ReleasePolicy().min_count)
