"""A site's answer to ``query.describe``: its training cases, what may leave of them, and what is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.app.statistics import describe, site_statistics
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.enrolment.roll import roll_of
from fedgraft.client.cohort.inputs import Inputs
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.splits import split
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import WireError
from fedgraft.common.kinds.tables import SumsOverColumns
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tables.statistics import Moments, TableStatistics
from fedgraft.common.wire.statistics import pack_question, read_table, unpack_description

Sites = Callable[..., list[Path]]
PlanOf = Callable[..., Plan]


def told(plan: Plan, site: Path) -> TableStatistics:
    found = site_statistics(
        plan,
        SumsOverColumns(table_of(plan)),
        read_site_file(site),
        inputs_of(plan, site),
        roll_of(read_site_file(site)),
    )
    assert isinstance(found, TableStatistics)
    return found


def inputs_of(plan: Plan, site: Path) -> Inputs:
    return Workspace().inputs(read_site_file(site), plan)


def table_of(plan: Plan) -> TableSection:
    assert plan.table is not None
    return plan.table


def training_rows(plan: Plan, site: Path) -> list[list[str]]:
    lines = [line.split(",") for line in (site.parent / "table.csv").read_text().splitlines()[1:]]
    cases = [case for case in read_manifest(site.parent / "manifest.csv") if len(lines[case.row or 0]) == 3]
    parts = split(cases, val_fraction=plan.data.val_fraction, test_fraction=plan.data.test_fraction, seed=plan.seed)
    return [lines[case.row or 0] for case in parts["train"]]


def allow(site: Path, **release: object) -> None:
    site.write_text(f"{site.read_text()}release: {json.dumps(release)}\n")


def test_it_is_of_the_usable_training_cases(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, (site,) = table_plan(), table_sites(1)
    rows = training_rows(plan, site)
    assert len(rows) == 24  # 39 can be used, of which 15 % validate and 25 % test
    ages = np.array([float(row[0]) for row in rows])
    found = told(plan, site)
    assert found.numeric[0].count == 24
    assert found.numeric[0].mean == pytest.approx(ages.mean())
    assert found.numeric[0].m2 == pytest.approx(24 * ages.var())
    known = np.array([float(row[1]) for row in rows if row[1] != "?"])
    assert 20 <= len(known) < 24
    assert found.numeric[1].count == 24, "fewer than 5 lack a pressure: it is told as if none did"
    assert (found.numeric[1].mean, found.numeric[1].deviation) == pytest.approx((known.mean(), known.std()))
    counts = {sex: sum(row[2] == sex for row in rows) for sex in ("f", "m")}
    assert found.categories == ({sex: count // 5 * 5 for sex, count in counts.items()},), "in steps of min_count"


def test_the_larger_of_both_min_counts_wins(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, (site,) = table_plan(), table_sites(1)
    allow(site, min_count=25)
    assert told(plan, site) == TableStatistics((Moments(), Moments()), ({},))
    wide = table_plan("table.min_count=25")
    allow(table_sites(1, folder="others")[0], min_count=1)
    assert told(wide, site) == TableStatistics((Moments(), Moments()), ({},))


def test_patients_count_not_their_rows(table_plan: PlanOf, tmp_path: Path) -> None:
    """40 rows of 8 patients; 4 of them have the 20 rows with f. The site wants 5 patients, which is the default."""
    (tmp_path / "table.csv").write_text("age,pressure,sex\n" + "50,120,f\n60,130,m\n" * 20)
    lines = "".join(f"table.csv,{row},clear,p{row % 8},train\n" for row in range(40))
    (tmp_path / "manifest.csv").write_text(f"path,row,label,patient,split\n{lines}")
    site = tmp_path / "site.yaml"
    site.write_text("name: north\nmanifest: manifest.csv\nstate: state\n")
    assert told(table_plan(), site) == TableStatistics((Moments(40, 55.0, 1000.0), Moments(40, 125.0, 1000.0)), ({},))
    assert told(table_plan("table.min_count=9"), site) == TableStatistics((Moments(), Moments()), ({},))
    allow(site, min_count=4)
    assert told(table_plan(), site).categories == ({"f": 20, "m": 20},)


def test_a_site_may_tell_nothing(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, (site,) = table_plan(), table_sites(1)
    allow(site, statistics=False)
    assert told(plan, site) == TableStatistics((Moments(), Moments()), ({},))


def test_what_leaves_is_what_is_written_down(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, (site,) = table_plan(), table_sites(1)
    content = describe(pack_question(plan.to_json(), plan.digest), Workspace(), site, 7)
    answer = unpack_description(content, lambda record: read_table(record, table_of(plan)))
    assert isinstance(answer.statistics, TableStatistics)
    assert (answer.site, answer.plan_digest) == ("site-0", plan.digest)
    (line,) = [json.loads(text) for text in (site.parent / "state" / "released.jsonl").read_text().splitlines()]
    assert (line["what"], line["run"], line["plan"]) == ("statistics", 7, plan.digest)
    assert line["numeric"]["age"] == {
        "cases": answer.statistics.numeric[0].count,
        "mean": answer.statistics.numeric[0].mean,
        "m2": answer.statistics.numeric[0].m2,
    }
    assert line["categories"] == {"sex": answer.statistics.categories[0]}


def test_a_plan_that_does_not_ask_gets_no_answer(table_plan: PlanOf, compose_plan: PlanOf, table_sites: Sites) -> None:
    (site,) = table_sites(1)
    images = compose_plan()
    with pytest.raises(WireError, match="the plan asks for no statistics"):
        describe(pack_question(images.to_json(), images.digest), Workspace(), site, 7)
    with pytest.raises(WireError, match="the plan does not have the digest that the coordinator announced"):
        describe(pack_question(table_plan().to_json(), "0" * 64), Workspace(), site, 7)
    assert not (site.parent / "state" / "released.jsonl").exists()
