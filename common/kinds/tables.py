"""The kind of input "rows of a table", for tabular encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from flwr.app import ConfigRecord
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import FederatedStatistics, InputFacts, Sections
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.kinds.backbone_file import TABLE
from fedgraft.common.kinds.table_backbone import create_tabular
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.sections import BackboneSection
from fedgraft.common.tables.encoding import table_spec
from fedgraft.common.tables.statistics import TableStatistics, merge_all, nothing_of, resolved
from fedgraft.common.wire.statistics import read_table, write_table


@dataclass(frozen=True)
class Tables:
    """`fedgraft.common.interfaces.input_kind.InputKind` of a plan with a ``table``."""

    encoder: BackboneSection
    table: TableSection

    def facts(self) -> InputFacts:
        return InputFacts(
            factory="fedgraft.client.tables.factory.TableFactory",
            one="row",
            a="a row of the table",
            every="the table",
            taken="the encoded rows of the table",
            take="read",
            rows=True,
            codes=bool(self.table.categorical),
            notes={TABLE: json.dumps(asdict(self.table))},
        )

    def spec(self) -> TableSpec:
        return table_spec(self.table)

    def backbone(self, pretrained: bool) -> tuple[nn.Module, TableSpec]:
        return create_tabular(self.encoder, self.table, pretrained)

    def problems(self) -> Sequence[str]:
        """Always empty: the problems are found by `fedgraft.common.plan.checks.table`."""
        return ()

    def federated_statistics(self) -> FederatedStatistics | None:
        return SumsOverColumns(self.table) if self.table.statistics == "federated" else None


@dataclass(frozen=True)
class SumsOverColumns:
    """`fedgraft.common.interfaces.input_kind.FederatedStatistics` for ``table.statistics=federated``."""

    table: TableSection

    def leaving(self) -> str:
        return (
            "before the first round, of each column of the table: count, mean and M2, or categories with their cases "
            "(nothing of fewer patients than table.min_count and the site's min_count)"
        )

    def nothing(self) -> TableStatistics:
        return nothing_of(self.table)

    def pack(self, found: TableStatistics) -> ConfigRecord:
        return write_table(found)

    def unpack(self, record: ConfigRecord) -> TableStatistics:
        return read_table(record, self.table)

    def figures(self, found: TableStatistics) -> dict[str, object]:
        """By column."""
        return {
            "numeric": {
                name: {"cases": one.count, "mean": one.mean, "m2": one.m2}
                for name, one in zip(self.table.numeric, found.numeric, strict=True)
            },
            "categories": {
                name: dict(counts) for name, counts in zip(self.table.categorical, found.categories, strict=True)
            },
        }

    def known(self, answers: Sequence[TableStatistics]) -> Sections:
        return {"table": resolved(self.table, merge_all(answers, self.table))}

    def fills(self) -> tuple[str, ...]:
        names = ("numeric", "categorical", "statistics", "min_count", "means", "deviations", "vocabulary")
        return tuple(f"table.{name}" for name in names)

    def stand_in(self) -> None:
        """Always ``None``: the encoder's inputs depend on the vocabularies."""

    def without_unknown(self, answers: Mapping[str, TableStatistics]) -> tuple[Sections, tuple[str, ...]]:
        """
        Raises:
            PlanError: no column is left.
        """
        table, found = self.table, merge_all(answers.values(), self.table)
        numeric = tuple(name for name, one in zip(table.numeric, found.numeric, strict=True) if one.count)
        categorical = tuple(name for name, counts in zip(table.categorical, found.categories, strict=True) if counts)
        dropped = tuple(name for name in (*table.numeric, *table.categorical) if name not in (*numeric, *categorical))
        if not numeric and not categorical:
            raise PlanError(
                f"no column of the table is known: of none did {', '.join(answers)} tell anything, since a site tells "
                f"of a column only if {table.min_count} patients (table.min_count, or its own release.min_count) have "
                "values among its training cases, and if release.statistics allows it; use sites with more patients, "
                "or give the numbers with table.statistics=plan"
            )
        return {"table": replace(table, numeric=numeric, categorical=categorical)}, dropped
