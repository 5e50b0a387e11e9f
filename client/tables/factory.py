"""Makes the inputs of a cohort of rows of tables."""

from __future__ import annotations

from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.cohort.preparation import Preparation
from fedgraft.client.site.limits import Limits
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.client.tables.missing import require_missing
from fedgraft.client.tables.preparation import preparation_of
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan


class TableFactory:
    """The `fedgraft.client.cohort.inputs.InputFactory` of rows; sites with the same limits share the tables read."""

    def __init__(self) -> None:
        self._files: dict[Limits, TableFiles] = {}

    def files(self, limits: Limits) -> TableFiles:
        """The reader of tables within these limits, which keeps what it has read."""
        return self._files.setdefault(limits, TableFiles(limits))

    def inputs(self, context: InputContext) -> TableInputs:
        """
        Raises:
            MissingTextError: the plan counts a text as missing that the site does not list.
        """
        table = _table(context.plan)
        if context.rules.missing is not None:
            require_missing(table.missing, context.rules.missing)
        return TableInputs(table, self.files(context.rules.limits))

    def preparation(self, plan: Plan, kind: InputKind, trusted: tuple[str, ...]) -> Preparation:
        """The encoding of rows as a module (`fedgraft.client.cohort.preparation.PreparesInTorch`)."""
        return preparation_of(_table(plan))


def _table(plan: Plan) -> TableSection:
    if plan.table is None:
        raise PlanError("input: rows of a table need the plan's `table` section")
    return plan.table
