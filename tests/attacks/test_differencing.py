"""A coordinator asks one hospital nearly the same twice, and subtracts. Nobody may be left."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.app.handlers import prepare
from fedgraft.client.app.head_sums import tell_sums
from fedgraft.client.app.statistics import describe
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.inputs import CaseView
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.common import tasks, tensors
from fedgraft.common.errors import MissingTextError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tables.statistics import TableStatistics
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import SumsQuestion, pack_sums_question
from fedgraft.common.wire.offer import Offer, unpack_offer
from fedgraft.common.wire.statistics import pack_question, read_table, unpack_description

LEAST, ROWS, SUMS = 5, 60, "sums"
PlanOf = Callable[..., Plan]


class Hospital:
    """A hospital of which each message is answered by a new process, as when it is deployed."""

    def __init__(self, site: Path) -> None:
        self.site, self.run = site, 0

    def offer(self, plan: Plan, workspace: Workspace) -> Offer:
        state = build(plan, None).backbone_state()
        digest = tensors.digest(state)
        site = workspace.site(self.site)
        workspace.accept_plan(site, plan.to_json(), plan.digest, digest)
        workspace.accept_backbone(site, digest, {digest: state})
        question = messages.pack_prepare(plan.to_json(), plan.digest, digest)
        return unpack_offer(prepare(question, workspace, self.site, self.run), tasks.of(plan.data))

    def sums(self, plan: Plan) -> Tensor | None:
        """Cases by class beside the sums by class of the encoded columns, ``(C, 1 + F)``; ``None`` if withheld."""
        self.run += 1
        workspace = Workspace()
        self.offer(plan, workspace)
        question: RecordDict = pack_sums_question(SumsQuestion(plan.digest, {}, None))
        answer = tell_sums(question, workspace, self.site, self.run)
        if SUMS not in answer.array_records:
            return None
        found = messages.unpack_any(answer.array_records[SUMS])
        return torch.cat([found["counts"][:, None].double(), found["sums"].double()], dim=1)

    def statistics(self, plan: Plan) -> TableStatistics:
        self.run += 1
        table = plan.table
        assert table is not None
        answer = describe(pack_question(plan.to_json(), plan.digest), Workspace(), self.site, self.run)
        found = unpack_description(answer, lambda record: read_table(record, table)).statistics
        assert isinstance(found, TableStatistics)
        return found

    def lines(self) -> list[str]:
        return (self.site.parent / "manifest.csv").read_text().splitlines()

    def list_only(self, lines: list[str]) -> None:
        (self.site.parent / "manifest.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def hospital(table_sites: Callable[..., list[Path]]) -> Hospital:
    (site,) = table_sites(1, ROWS)
    (site.parent / "state" / "site.secret").write_text("5a" * 32 + "\n")  # as a hospital has one
    return Hospital(site)


@pytest.fixture
def plan_of(table_plan: PlanOf) -> PlanOf:
    """A plan whose head starts from sums by class of the columns' own numbers."""

    def composed(*overrides: str, columns: str = "age, pressure") -> Plan:
        named = [name.strip() for name in columns.split(",")]
        numbers = ", ".join(f"{name}: 0" for name in named)
        known = f"means: {{{numbers}}}, deviations: {{{numbers.replace(': 0', ': 1')}}}, vocabulary: {{sex: [f, m]}}"
        table = (
            f"+table={{numeric: [{columns}], categorical: [sex], missing: ['?'], indicate_missing: false, "
            f"statistics: plan, min_count: 1, {known}}}"
        )
        return table_plan("~table", table, "initial=prototypes", "head=plain", *overrides)

    return composed


def isolated(answers: list[Tensor | None], rows: Tensor) -> int:
    """How many patients the coordinator has: those whose row is a sum of two or three answers, added or subtracted.

    Args:
        rows: ``(N, 1 + F)``: of each patient 1 and the encoded columns.
    """
    told = torch.stack([one for one in answers if one is not None]).unique(dim=0)
    found = set[int]()
    for count in (2, 3):
        for some in combinations(told, count):
            for signs in product((-1.0, 1.0), repeat=count):
                left = sum(sign * one for sign, one in zip(signs, some, strict=True))
                near = (torch.as_tensor(left)[:, None] - rows[None]).abs().amax(2) < 1e-3
                found |= set(near.any(0).nonzero().flatten().tolist())
    return len(found)


def rows_of(hospital: Hospital, plan: Plan) -> Tensor:
    workspace = Workspace()
    hospital.offer(plan, workspace)
    site = workspace.site(hospital.site)
    listed, inputs = read_manifest(site.manifest), workspace.inputs(site, plan)
    cases = [case for case, verdict in zip(listed, inputs.verdicts(listed), strict=True) if verdict == USABLE]
    ((_, encoded),) = inputs.batches([CaseView(case) for case in cases], len(cases))
    backbone = workspace.open(hospital.site, plan.digest, hospital.run).model.network.backbone
    return torch.cat([torch.ones(len(cases), 1), backbone(encoded)], dim=1).double()


def test_other_fractions_seeds_and_lists_of_classes_ask_about_the_same_patients(
    hospital: Hospital, plan_of: PlanOf
) -> None:
    words = [
        (),
        *((f"data.val_fraction={share}",) for share in (0.16, 0.17, 0.18, 0.2, 0.3)),
        *((f"data.test_fraction={share}",) for share in (0.05, 0.24, 0.26)),
        *((f"seed={seed}",) for seed in (1, 2, 3)),
    ]
    answers = [hospital.sums(plan_of(*some)) for some in words]
    assert answers[0] is not None
    assert all(one is not None and torch.equal(one, answers[0]) for one in answers)
    more = hospital.sums(plan_of("data.classes=[lesion,clear,ghost]"))
    assert more is not None and torch.equal(more[[1, 0]], answers[0]) and not more[2].any()


def test_the_coordinator_is_told_that_fractions_differ(hospital: Hospital, plan_of: PlanOf) -> None:
    assert hospital.offer(plan_of("data.val_fraction=0.3"), Workspace()).fractions == (0.15, 0.25)
    assert hospital.offer(plan_of(), Workspace()).fractions is None


@pytest.mark.parametrize(("least", "safe"), [(LEAST, True), (1, False)])
def test_patients_who_come_and_go_one_by_one(hospital: Hospital, plan_of: PlanOf, least: int, safe: bool) -> None:
    """46 of 60 are there; then one more after the other, then one after the other is withdrawn. A site that says that
    one patient is enough shows that the attack works."""
    header, *lines = hospital.lines()
    cohorts = [lines[:count] for count in range(46, 61)] + [lines[gone:] for gone in range(1, 12)]
    hospital.site.write_text(hospital.site.read_text() + f"release: {{min_count: {least}}}\n")
    rows, answers = rows_of(hospital, plan_of()), []
    (hospital.site.parent / "state" / "releases.db").unlink()
    for some in cohorts:
        hospital.list_only([header, *some])
        answers.append(hospital.sums(plan_of()))
    told = [one for one in answers if one is not None]
    assert len(told) >= 20, "the hospital is not locked out"
    assert len({tuple(one.flatten().tolist()) for one in told}) > 2, "its cohort grew and shrank"
    assert (isolated(answers, rows) == 0) is safe


def test_a_row_that_one_plan_can_t_use(hospital: Hospital, plan_of: PlanOf) -> None:
    """One pressure is no number: with that column its row is left out, and without it not."""
    both, one = plan_of(columns="age, pressure"), plan_of(columns="age")
    ages = rows_of(hospital, one)
    answers = [hospital.sums(one), hospital.sums(both)]
    assert answers[0] is not None
    without = None if answers[1] is None else torch.cat([answers[1][:, :2], answers[1][:, 3:]], dim=1)
    assert isolated([answers[0], without], ages) == 0


def test_a_text_that_is_a_value_can_t_be_called_missing(hospital: Hospital, table_plan: PlanOf) -> None:
    """How many patients are 56.9 years old? The answer would be how many ages are missing."""
    ages = [line.split(",")[0] for line in (hospital.site.parent / "table.csv").read_text().splitlines()[1:]]
    usual = hospital.statistics(table_plan("table.missing=['?']"))
    learnt = 0
    for age in sorted(set(ages))[:20]:
        with pytest.raises(MissingTextError, match=r"table\.missing has '[0-9.]+', which the site does not list"):
            learnt += hospital.statistics(table_plan(f"table.missing=['?','{age}']")).numeric[0].count
    assert learnt == 0 and usual.numeric[0].count > 0


def test_what_the_site_lists_may_be_missing_but_not_of_a_few(hospital: Hospital, table_plan: PlanOf) -> None:
    """The site says that an age of ``age`` stands for missing: fewer than 5 have it, and nobody learns how many."""
    age = (hospital.site.parent / "table.csv").read_text().splitlines()[1].split(",")[0]
    hospital.site.write_text(hospital.site.read_text() + f"missing: ['{age}']\n")
    with_it = hospital.statistics(table_plan(f"table.missing=['?','{age}']"))
    without = hospital.statistics(table_plan("table.missing=['?']"))
    assert {one.numeric[0].count for one in (with_it, without)} <= {0, with_it.numeric[0].count}


def test_counts_of_a_column_tell_no_few(hospital: Hospital, table_plan: PlanOf) -> None:
    """6 of 60 lack a pressure: of those who train fewer than 5 may. What categories leave over is no small number."""
    found = hospital.statistics(table_plan())
    lacking = found.numeric[0].count - found.numeric[1].count
    assert lacking == 0 or lacking >= LEAST
    assert all(count % LEAST == 0 for count in found.categories[0].values())
