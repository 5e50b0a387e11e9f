"""A cohort against a plan: is it large enough, and what does a round cost here?"""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.client.doctor import look, measure
from fedgraft.client.doctor.cost import cost
from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.readiness import readiness
from fedgraft.client.doctor.roll import Roll
from fedgraft.client.doctor.section import Section
from fedgraft.client.doctor.study import Study
from fedgraft.client.doctor.surroundings import surroundings
from fedgraft.client.manifest import SPLITS
from fedgraft.client.table_file import TableFiles
from fedgraft.common.errors import DataError, FedGraftError
from fedgraft.common.volume import volume

COST = "cost of a round"
MEASURED_CASES = 32


def check_against_plan(
    study: Study, usable: Roll, ready: Roll, pixels: int = 0, files: TableFiles | None = None
) -> Iterator[Section]:
    """Readiness and cost; nothing without a plan, and no cost without its network.

    Args:
        usable: cases to measure on.
        ready: cases that a run would use, as far as is known.
        pixels: bytes of decoded images that are still to be kept.
        files: tables that have been read.
    """
    if study.chosen is None:
        return
    plan, site, wish = study.chosen.plan, study.site, study.wish
    yield readiness(ready, plan, site)
    if study.model is None:
        return
    places = usable.positions("train") or list(range(len(usable.cases)))
    if not places:
        yield Section(COST, (Finding("warning", "time", "no usable case to measure on"),))
        return
    sample = [usable.cases[at] for at in look.spread(min(wish.sample or MEASURED_CASES, MEASURED_CASES), places)]
    try:
        measured = measure.measure(plan, study.model, site, sample, files)
        counts = {name: len(ready.positions(name)) for name in SPLITS}
        around = surroundings(site, study.chosen, wish.uplink, pixels)
        yield cost(plan, counts, measured, volume(plan, study.model), around)
    except DataError:  # its text may name a case
        text = "not measured: a case of the sample does not suit the plan, see the findings above"
        yield Section(COST, (Finding("problem", "time", text),))
    except FedGraftError as error:
        yield Section(COST, (Finding("problem", "the plan here", str(error)),))
