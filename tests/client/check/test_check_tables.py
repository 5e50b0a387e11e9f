"""The check over cohorts of rows: with a plan, with one whose statistics are to come, without one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fedgraft.client.check.page import render
from fedgraft.client.check.report import Section
from fedgraft.client.check.sections.releases import TITLE as RELEASES
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan

from .test_check import STRANGE, check, findings, grades, printed

Composer = Callable[..., Plan]
TITLES = [
    "site file",
    "the site",
    "plan",
    "who can read it",
    "cohort",
    "the account",
    "table",
    "ready for the plan?",
    "cost of a round",
    RELEASES,
]
KNOWN = {"means": {"bp": 130.0}, "deviations": {"bp": 20.0}, "vocabulary": {"sex": ("F", "M")}}


def over_bp(table_plan: Composer, federated: bool) -> Plan:
    """A plan with the columns of `write_site`."""
    plan, known = table_plan("strategy=fedavg"), {} if federated else KNOWN
    source, least = ("federated", 2) if federated else ("plan", 1)
    table = TableSection(("bp",), ("sex",), (), False, source, least, **known)  # type: ignore[arg-type]
    return replace(plan, data=replace(plan.data, classes=("clear", "lesion")), table=table)


def write_site(folder: Path, plan: Plan | None, patients: tuple[str, ...], **cells: str) -> Path:
    """40 rows in a file of its own, ``bp`` 120 to 159 but for the first, whose cells are ``cells``."""
    rows = [{"bp": str(120 + at), "sex": "FM"[at % 2]} for at in range(40)]
    rows[0] |= cells
    lines = [f"{row['bp']},{row['sex']}" for row in rows]
    (folder / "Huber-table.csv").write_text("\n".join(["bp,sex", *lines]) + "\n")
    named = (patients[at % len(patients)] + str(at) for at in range(40))
    quoted = (f'"{name.replace(chr(34), chr(34) * 2)}"' for name in named)
    cases = [f"Huber-table.csv,{at},{('clear', 'lesion')[at % 4 < 2]},{who}" for at, who in enumerate(quoted)]
    (folder / "manifest.csv").write_text("\n".join(["path,row,label,patient", *cases]) + "\n")
    write_site_file(folder / "site.yaml", SiteFile("north", folder / "manifest.csv", folder / "state", threads=1))
    if plan is not None:
        (folder / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    return folder / "site.yaml"


def table(sections: list[Section]) -> Section:
    return next(section for section in sections if section.title == "table")


@pytest.mark.parametrize("federated", [False, True])
def test_a_table(tmp_path: Path, table_plan: Composer, federated: bool) -> None:
    """With statistics that are to come from all sites, the network is built and timed with this site's own."""
    path = write_site(tmp_path, over_bp(table_plan, federated), ("p",), bp="high")
    sections = check(path, plan=tmp_path / "plan.yaml")
    assert [section.title for section in sections] == TITLES
    found = {one.what: one for one in findings(sections)}
    assert "problem" not in {one.grade for one in found.values()}
    assert found["quarantine: bad-value"].text.endswith("line 2 of the manifest")
    assert found["quarantine"].text == "39 of 40 rows can be used"
    assert ("statistics" in found) == federated
    assert "read and compute 39 cases" in found["time before the first round"].text
    assert sum(int(row[1]) for row in sections[7].grids[0].rows) == 39
    assert table(sections).grids[1].rows == (
        ("bp", "numeric", "0 (0.0 %)", "40", "140 (130.5 to 149.5)"),
        ("sex", "categorical", "0 (0.0 %)", "2", "F: 50.0 %, M: 50.0 %"),
    )


def test_a_column_that_the_plan_names_and_the_table_lacks(tmp_path: Path, table_plan: Composer) -> None:
    path = write_site(tmp_path, over_bp(table_plan, True), ("p",))
    (tmp_path / "Huber-table.csv").write_text((tmp_path / "Huber-table.csv").read_text().replace("bp", "pressure"))
    sections = check(path, plan=tmp_path / "plan.yaml")
    assert grades(sections)["columns"] == "problem"
    assert [section.title for section in sections] == [
        *TITLES[:-2],
        RELEASES,
    ]  # the network has no input, so nothing is timed


def test_a_number_apart_from_all_others_is_found_by_its_line(tmp_path: Path, table_plan: Composer) -> None:
    plan = over_bp(table_plan, False)
    written = write_site(tmp_path, plan, ("p",), bp="999")
    for options in ({"plan": tmp_path / "plan.yaml"}, {}):
        found = [one for one in table(check(written, **options)).findings if one.what == "far values"]
        assert [(one.grade, one.text.partition(": ")[2]) for one in found] == [
            ("warning", "bp 1 (line 2 of the manifest)")
        ]


def test_a_column_twice(tmp_path: Path, table_plan: Composer) -> None:
    path = write_site(tmp_path, over_bp(table_plan, True), ("p",))
    (tmp_path / "Huber-table.csv").write_text((tmp_path / "Huber-table.csv").read_text().replace("sex", "bp"))
    sections = check(path, plan=tmp_path / "plan.yaml")
    assert [str(one) for one in table(sections).findings] == [
        "problem  columns: a table names one of these columns twice; rename one"
    ]


def test_a_manifest_that_is_itself_the_table_without_a_plan(tmp_path: Path) -> None:
    lines = [f"p{at},{at % 2},{at}" for at in range(6)]
    (tmp_path / "manifest.csv").write_text("\n".join(["patient,label,bp", *lines]) + "\n")
    write_site_file(tmp_path / "site.yaml", SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state"))
    sections = check(tmp_path / "site.yaml")
    assert [section.title for section in sections] == [*TITLES[:7], RELEASES]
    assert table(sections).grids[0].rows == (("bp", "numbers", "0 (0.0 %)", "6", "2.5 (1.25 to 3.75)"),)


def test_nothing_of_a_hostile_table_is_repeated(tmp_path: Path, table_plan: Composer) -> None:
    """Patients, the file's name, and what stands in its cells; the page and the terminal hold none of them."""
    patients = tuple(text for text in STRANGE if "\x1b" not in text)
    for federated in (False, True, None):
        plan = None if federated is None else over_bp(table_plan, federated)
        folder = tmp_path / str(federated)
        folder.mkdir()
        path = write_site(folder, plan, patients, bp="Kowalska", sex="<b>Huber</b>")
        sections = check(path, plan=None if plan is None else folder / "plan.yaml")
        assert table(sections)
        for text in (render("north", sections), printed(sections)):
            for word in (*patients, "Huber", "Kowalska", "Brien", "19570131", "calc", "annA", "患者", "table.csv"):
                assert word not in text
