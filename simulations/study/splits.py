"""The splits that sites would make of their cases, written into the cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.client.site.row_store import Store
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import cache_folder


def with_splits(plan: Plan, cases: tuple[Case, ...], environ: Mapping[str, str]) -> tuple[Case, ...]:
    """A site's cases, each with the split that the site would assign to it."""
    store = Store(cache_folder(environ) / "store" / "kept" if plan.engine.store == "disk" else None)
    context = InputContext(plan, plan.engine.trusted, store)
    several = factory_of(context.kind, context.trusted).inputs(context).expanded(cases)
    side = {
        case.patient: name for name, some in split_as_planned(several, plan.data, plan.seed).items() for case in some
    }
    return tuple(replace(case, split=side[case.patient]) for case in cases)
