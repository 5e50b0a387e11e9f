"""Which texts of a table a plan may count as missing at a site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.site.limits import Rules
from fedgraft.client.site.row_store import Store
from fedgraft.client.tables.factory import TableFactory
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.client.tables.missing import USUAL, require_missing
from fedgraft.common.errors import MissingTextError
from fedgraft.common.plan.plan import Plan


def test_the_usual_ones_and_those_that_the_site_lists() -> None:
    require_missing([*USUAL, "-1"], ["-1", "999"])
    require_missing([], [])


def test_others_are_named() -> None:
    with pytest.raises(
        MissingTextError, match=r"table\.missing has '54', 'male', which the site does not list: if they"
    ):
        require_missing(["?", "54", "-1", "male"], ["-1"])


def test_the_coordinator_s_own_cases_have_no_site(table_plan: Callable[..., Plan]) -> None:
    context = InputContext(table_plan("table.missing=['54']"), (), Store(None), Rules())
    assert isinstance(TableFactory().inputs(context), TableInputs)
    with pytest.raises(MissingTextError):
        TableFactory().inputs(replace(context, rules=Rules(missing=())))
