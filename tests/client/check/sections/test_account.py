"""What the check says of the parts, of who waits and rests, and of the account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.account.book import FILE
from fedgraft.client.account.secret import Secret
from fedgraft.client.check.sections.account import describe_account
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.enrolled import Enrolled
from fedgraft.client.cohort.enrolment.roll import Roll
from fedgraft.client.site.site_file import Coordinator, Fractions, SiteFile
from fedgraft.common.plan.data_sections import DataSection

from ..conftest import case, case_table_of


def said(folder: Path, cases: list[Case], data: DataSection | None = None, simulated: bool = False) -> list[str]:
    coordinator = Coordinator("c:8443", folder / "ca.crt", folder / "key")
    site = SiteFile("north", folder / "m.csv", folder, split=Fractions(0.2, 0.2), coordinator=coordinator)
    enrolled = Enrolled(Roll(Secret("1" * 64, simulated), site.split, 5, folder / FILE), cases)
    return [str(one) for one in describe_account(site, case_table_of(cases, data), enrolled, data).findings]


@pytest.fixture
def cohort() -> list[Case]:
    return [case(at, "sick", split="train") for at in range(12)]


def run(folder: Path, cases: list[Case]) -> None:
    """A run over all that may take part."""
    enrolled = Enrolled(Roll(Secret("1" * 64), Fractions(), 5, folder / FILE), cases)
    enrolled.taking_part({"train": tuple(cases)})


def test_before_the_first_run(tmp_path: Path, cohort: list[Case]) -> None:
    assert said(tmp_path, cohort) == ["ok       account: nothing was answered yet: the first run takes all patients"]
    assert not list(tmp_path.iterdir()), "a check writes nothing"


def test_who_waits_and_rests(tmp_path: Path, cohort: list[Case]) -> None:
    run(tmp_path, cohort)
    assert said(tmp_path, cohort) == ["ok       account: 1 different answer so far; every patient takes part"]
    more = [*cohort, case(20, "sick", split="train"), case(21, "sick", split="train")]
    run(tmp_path, more)
    rule = "patients wait until 5 have gathered, and rest until 5 were withdrawn (docs/trust.md)"
    assert said(tmp_path, more) == [f"ok       account: 1 different answer so far; train: 2 wait, 0 rest; {rule}"]
    less = more[1:]
    run(tmp_path, less)
    (line,) = said(tmp_path, less)
    assert line.startswith("ok       account: 2 different answers so far; train: 2 wait, 4 rest; ")


def test_fractions_that_are_not_the_plan_s(tmp_path: Path, cohort: list[Case], two_classes: DataSection) -> None:
    undivided = [replace(one, split=None) for one in cohort]
    assert len(said(tmp_path, undivided, two_classes)) == 1
    assert said(tmp_path, undivided, replace(two_classes, val_fraction=0.1))[0] == (
        "warning  split: here val_fraction 0.2, test_fraction 0.2; the plan's data.val_fraction=0.1 and "
        "data.test_fraction=0.2 are without effect; nothing, if the site's own are right; they hold for patients who "
        "are new from now on"
    )
    assert len(said(tmp_path, cohort, replace(two_classes, val_fraction=0.1))) == 1, "the manifest decides"


def test_a_simulation_s_secret_at_a_hospital(tmp_path: Path, cohort: list[Case]) -> None:
    assert said(tmp_path, cohort, simulated=True)[0] == (
        "warning  secret: who is in which part follows from the seed of a simulation, which others know; begin with a "
        "new, empty state folder: it gets a secret of its own"
    )
