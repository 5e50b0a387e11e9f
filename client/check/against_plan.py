"""What a plan would cost a site, and whether its cohort is large enough for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fedgraft.client.check import measure, reading
from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.measure import surroundings
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.check.request import CheckContext
from fedgraft.client.check.sections.cost import cost
from fedgraft.client.check.sections.sample_size import readiness
from fedgraft.client.cohort.case import SPLITS
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError, FedGraftError
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.models.model import Model
from fedgraft.common.models.traffic import volume
from fedgraft.common.plan.plan import Plan

COST = "cost of a round"
MEASURED_CASES = 32


def network(plan: Plan, site: SiteFile) -> Model | None:
    """The plan's network with random weights; ``None`` if it depends on statistics that no site has sent yet.

    Raises:
        PlanError: as `fedgraft.client.check.measure.network`.
    """
    asked = kind_of(plan, site.trusted).federated_statistics()
    return None if asked is not None and asked.stand_in() is None else measure.network(plan, site)


def check_against_plan(
    context: CheckContext, usable: CaseTable, ready: CaseTable, pixels: int = 0
) -> Iterator[Section]:
    """Sections on sample size and cost; none without a plan, and no cost without its network.

    Args:
        usable: cases on which time is measured.
        ready: cases that a run would use, as far as is known.
        pixels: bytes of decoded images that are still to be kept.
    """
    if context.chosen is None:
        return
    site, request = context.site, context.request
    plan = _timed(context.chosen.plan, site)
    yield readiness(ready, plan, site)
    if context.model is None:
        return
    places = usable.positions("train") or list(range(len(usable.cases)))
    if not places:
        yield Section(COST, (Finding("warning", "time", "no usable case to measure on"),))
        return
    sample = [usable.cases[at] for at in reading.spread(min(request.sample or MEASURED_CASES, MEASURED_CASES), places)]
    try:
        measured = measure.measure(plan, context.model, site, sample, context.factories)
        counts = {name: len(ready.positions(name)) for name in SPLITS}
        around = surroundings(site, context.chosen, request.uplink, pixels)
        yield cost(plan, context.model.facts, counts, measured, volume(plan, context.model), around)
    except DataError:  # its text may name a case
        text = "not measured: a case of the sample does not suit the plan, see the findings above"
        yield Section(COST, (Finding("problem", "time", text),))
    except FedGraftError as error:
        yield Section(COST, (Finding("problem", "the plan here", str(error)),))


def _timed(plan: Plan, site: SiteFile) -> Plan:
    """The plan with placeholders for statistics that a run gets from all sites, if possible: only time matters here."""
    asked = kind_of(plan, site.trusted).federated_statistics()
    made_up = None if asked is None else asked.stand_in()
    return plan if made_up is None else replace(plan, **made_up)
