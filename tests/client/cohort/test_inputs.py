"""The factory of a kind of input: found by path, allowed by the site, shared in a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedgraft.client.app.statistics import site_statistics
from fedgraft.client.cohort.arrays import ArrayInputs
from fedgraft.client.cohort.enrolment.roll import roll_of
from fedgraft.client.cohort.inputs import Factories, InputContext, factory_of, ignore, site_context
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.site.limits import Limits, Rules
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.tables.factory import TableFactory
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import InputFacts
from fedgraft.common.interfaces.inputs import ArraySpec
from fedgraft.common.kinds.images import Images
from fedgraft.common.kinds.tables import SumsOverColumns
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

PlanOf = Callable[..., Plan]


@dataclass(frozen=True)
class Elsewhere(Images):
    """Images, read by a factory of one's own."""

    factory: str = ""

    def facts(self) -> InputFacts:
        return replace(super().facts(), factory=self.factory)


def test_a_factory_is_opened_once(compose_plan: PlanOf) -> None:
    factories: Factories = {}
    kind = Images(compose_plan(), OURS)
    first = factory_of(kind, OURS, factories)
    assert isinstance(first, ImageFactory)
    assert factory_of(kind, OURS, factories) is first
    assert factory_of(kind, OURS) is not first


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        ("ours.factory.Factory", r"input\._target_=ours\.factory\.Factory is not in an allowed package \(fedgraft\)"),
        ("fedgraft.client.site.row_store.Store", r"fedgraft\.client\.site\.row_store\.Store is not a InputFactory"),
        ("fedgraft.client.images.factory.Nope", r"fedgraft\.client\.images\.factory\.Nope can't be imported"),
    ],
)
def test_what_is_no_factory_or_not_allowed_is_not_called(compose_plan: PlanOf, factory: str, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        factory_of(Elsewhere(compose_plan(), OURS, factory=factory), OURS)


def test_a_site_s_context_is_what_its_file_says(compose_plan: PlanOf, tmp_path: Path) -> None:
    limits = Limits(seconds=7)
    site = SiteFile("north", tmp_path, tmp_path, allow=("ours",), workers=3, limits=limits, refuse_burned_in=False)
    plan, store = compose_plan(), Store(None)
    rules = Rules(limits, refuse_burned_in=False, missing=())
    expected = InputContext(plan, ("fedgraft", "ours"), store, rules, workers=3, decoded=ignore)
    assert site_context(plan, site, store) == expected
    assert expected.kind == Images(plan, ("fedgraft", "ours"))


def test_sites_with_the_same_limits_share_the_tables_that_were_read() -> None:
    factory = TableFactory()
    assert factory.files(Limits()) is factory.files(Limits())
    assert factory.files(Limits(seconds=7)) is not factory.files(Limits())


def test_a_factory_reads_its_own_kind_only(compose_plan: PlanOf) -> None:
    context: Any = SimpleNamespace(
        plan=compose_plan(), rules=Rules(), kind=SimpleNamespace(spec=lambda: ArraySpec((2, 64)))
    )
    with pytest.raises(PlanError, match="input: ArraySpec does not say how images are read; it must be an ImageSpec"):
        ImageFactory().inputs(context)
    with pytest.raises(PlanError, match="input: rows of a table need the plan's `table` section"):
        TableFactory().inputs(context)


def test_inputs_that_tell_no_statistics_are_asked_for_none(table_plan: PlanOf, tmp_path: Path) -> None:
    plan = table_plan()
    assert plan.table is not None
    inputs = ArrayInputs(lambda case: None, ArraySpec((2,)), "1")  # type: ignore[arg-type,return-value]
    site = SiteFile("north", tmp_path, tmp_path)
    with pytest.raises(PlanError, match="input: ArrayInputs tells no statistics, and the plan asks for some"):
        site_statistics(plan, SumsOverColumns(plan.table), site, inputs, roll_of(site))
