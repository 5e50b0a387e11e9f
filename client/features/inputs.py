"""Which inputs a plan's cohort has: the rows of a table, or images."""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.client.cohort.inputs import Inputs, Progress
from fedgraft.client.images.inputs import image_inputs
from fedgraft.client.site.limits import Rules
from fedgraft.client.site.row_store import Store
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.common.interfaces.inputs import InputSpec, TableSpec
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS


def inputs_of(
    plan: Plan,
    spec: InputSpec | TableSpec,
    rules: Rules,
    store: Store,
    workers: int | None,
    decoded: Progress,
    files: TableFiles | None = None,
    allowed: Iterable[str] = OURS,
) -> Inputs:
    """What a cohort's cases become.

    Args:
        spec: of the plan's model.
        rules: what a site lets a file cost and be.
        workers: processes that decode images; ``None`` is one per core.
        decoded: is told how many images were decoded, as it happens.
        files: reads tables; shared, sites on one machine read a file once.
        allowed: packages from which what harmonises images may come.
    """
    if isinstance(spec, InputSpec):
        return image_inputs(plan, spec, rules, store, workers, decoded, allowed)
    assert plan.table is not None  # `fedgraft.common.models.build.build` gives a `TableSpec` to no other plan
    return TableInputs(plan.table, files or TableFiles(rules.limits))
