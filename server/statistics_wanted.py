"""What a plan has to learn from the sites before the first round: sums of a table, or means over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flwr.app import RecordDict

from fedgraft.common import parts
from fedgraft.common.backbone import input_spec
from fedgraft.common.harmony import harmony_of, require_reference_fits, wants_reference, with_reference
from fedgraft.common.image_statistics import ImageStatistics, pooled_means
from fedgraft.common.image_statistics_record import unpack_image_description
from fedgraft.common.plan import Plan
from fedgraft.common.schema_data import Table
from fedgraft.common.statistics import TableStatistics, merge_all, resolved
from fedgraft.common.statistics_record import Description, unpack_description


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        of: what the statistics are of, for messages.
        read: a site's answer; raises `WireError` if it is not usable.
        known: the plan with what these answers say together, in the order of the sites' names, so that the last digits
            do not depend on who answered first; raises `PlanError` if it is not enough.
    """

    of: str
    read: Callable[[RecordDict], Description]
    known: Callable[[Sequence[Description]], Plan]


def wanted_of(plan: Plan) -> Wanted | None:
    """``None`` if the plan holds all its numbers.

    Raises:
        PlanError: what describes an image can't be built.
    """
    if plan.table is not None and plan.table.statistics == "federated":
        return _of_the_table(plan, plan.table)
    return _of_the_images(plan) if wants_reference(plan) else None


def _of_the_table(plan: Plan, table: Table) -> Wanted:
    def known(answers: Sequence[Description]) -> Plan:
        found = [one.statistics for one in _by_name(answers) if isinstance(one.statistics, TableStatistics)]
        return replace(plan, table=resolved(table, merge_all(found, table)))

    return Wanted("the table", lambda content: unpack_description(content, table), known)


def _of_the_images(plan: Plan) -> Wanted:
    harmony = harmony_of(plan, parts.trusted(plan.engine))
    assert harmony is not None  # `wants_reference`
    spec = input_spec(plan.backbone, plan.data.image_size)
    require_reference_fits(plan, spec, parts.trusted(plan.engine))
    numbers = harmony.numbers(spec.size)

    def known(answers: Sequence[Description]) -> Plan:
        found = [one.statistics for one in _by_name(answers) if isinstance(one.statistics, ImageStatistics)]
        return with_reference(plan, pooled_means(found))

    return Wanted("the images", lambda content: unpack_image_description(content, numbers), known)


def _by_name(answers: Sequence[Description]) -> list[Description]:
    return sorted(answers, key=lambda one: one.site)
