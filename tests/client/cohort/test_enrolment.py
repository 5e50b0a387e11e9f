"""Who is in which part at a hospital, who takes part, and over whom it may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.account.book import FILE
from fedgraft.client.account.secret import Secret
from fedgraft.client.cohort.case import SPLITS, Case
from fedgraft.client.cohort.enrolment.enrolled import TRAINING, Enrolled
from fedgraft.client.cohort.enrolment.roll import Roll
from fedgraft.client.cohort.splits import split
from fedgraft.client.site.site_file import Fractions
from fedgraft.common.errors import AccountError, LostCaseError
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel

TASK = Classification(("a", "b"))
SECRET = Secret("c" * 64)


def cases(*numbers: int) -> list[Case]:
    return [Case(f"/films/{n}.png", "ab"[n % 2], f"p{n}") for n in numbers]


def roll(folder: Path, val: float = 0.2, test: float = 0.3) -> Roll:
    return Roll(SECRET, Fractions(val, test), 5, folder / FILE)


def sides(parts: dict[str, tuple[Case, ...]]) -> dict[str, str]:
    return {case.patient: name for name, some in parts.items() for case in some}


def taking_part(folder: Path, listed: Sequence[Case], run: int = 0, lost: Sequence[Case] = ()) -> set[str]:
    """The patients who train; everybody trains."""
    listed = [replace(case, split="train") for case in listed]
    gone = [replace(case, split="train") for case in lost]
    enrolled = Enrolled(roll(folder), [*listed, *gone], run)
    parts = enrolled.roll.parts([*listed, *gone], TASK)
    usable = {name: tuple(case for case in some if case not in gone) for name, some in parts.items()}
    return {case.patient for case in enrolled.taking_part(usable, gone)["train"]}


def test_a_first_draw_is_the_stratified_split_by_the_site_s_secret_and_fractions(tmp_path: Path) -> None:
    found = roll(tmp_path).parts(cases(*range(40)), TASK)
    expected = split(cases(*range(40)), val_fraction=0.2, test_fraction=0.3, seed=SECRET.text, task=TASK)
    assert found == expected and [len(found[name]) for name in SPLITS] == [20, 8, 12]


def test_nothing_later_changes_a_patient_s_part(tmp_path: Path) -> None:
    """Neither another task, nor other fractions, nor more patients, nor a cohort of which half is gone."""
    first = sides(roll(tmp_path).parts(cases(*range(40)), TASK))
    for later in (range(40), range(60), range(20), range(10, 50)):
        found = sides(roll(tmp_path, 0.4, 0.1).parts(cases(*later), Multilabel(("x",))))
        assert {name: side for name, side in found.items() if name in first} == {
            name: first[name] for name in found if name in first
        }
    assert sides(roll(tmp_path).parts(cases(*range(100)), TASK)).items() >= first.items()


def test_a_new_patient_joins_the_unit_or_is_drawn_alone(tmp_path: Path) -> None:
    known = [replace(case, group=f"g{n // 2}") for n, case in enumerate(cases(*range(40)))]
    first = sides(roll(tmp_path).parts(known, TASK))
    siblings = [Case(f"/new/{n}.png", "a", f"q{n}", group=f"g{n}") for n in range(20)]
    found = sides(roll(tmp_path).parts([*known, *siblings], TASK))
    assert [found[f"q{n}"] for n in range(20)] == [first[f"p{2 * n}"] for n in range(20)]
    alone = [Case(f"/new/{n}.png", "a", f"r{n}") for n in range(1000)]
    drawn = list(sides(roll(tmp_path).parts([*known, *alone], TASK)).values())[40:]
    assert drawn.count("test") == pytest.approx(300, abs=60) and drawn.count("val") == pytest.approx(200, abs=50)


def test_looking_keeps_nothing(tmp_path: Path) -> None:
    found = roll(tmp_path).parts(cases(*range(10)), TASK, keep=False)
    assert not (tmp_path / FILE).exists() and sum(map(len, found.values())) == 10


def test_the_manifest_s_split_wins(tmp_path: Path) -> None:
    named = [replace(case, split=SPLITS[n % 3]) for n, case in enumerate(cases(*range(9)))]
    assert {len(some) for some in roll(tmp_path).parts(named, TASK).values()} == {3}


def test_one_more_waits_and_one_less_takes_four_along(tmp_path: Path) -> None:
    everybody = taking_part(tmp_path, cases(*range(30)))
    assert len(everybody) == 30
    assert taking_part(tmp_path, cases(*range(31))) == everybody
    assert taking_part(tmp_path, cases(*range(40))) == everybody | {f"p{n}" for n in range(30, 40)}
    left = taking_part(tmp_path, cases(*range(1, 40)))
    assert len(left) == 35 and "p0" not in left


def test_a_changed_line_is_withdrawn_and_new(tmp_path: Path) -> None:
    taking_part(tmp_path, cases(*range(30)))
    changed = [replace(case, columns=(("age", "63"),)) if n == 7 else case for n, case in enumerate(cases(*range(30)))]
    found = taking_part(tmp_path, changed)
    assert len(found) == 25 and "p7" not in found


def test_a_cohort_can_be_moved(tmp_path: Path) -> None:
    first = taking_part(tmp_path, cases(*range(30)))
    moved = [replace(case, path=case.path.replace("/films", "/archive")) for case in cases(*range(30))]
    assert taking_part(tmp_path, moved) == first


def test_a_case_that_is_lost_in_a_run_stops_the_run_here_and_not_the_next(tmp_path: Path) -> None:
    *others, lost = cases(*range(30))
    taking_part(tmp_path, [*others, lost], run=1)
    with pytest.raises(LostCaseError, match=r"1 case\(s\) that took part in this run can't be read any more"):
        taking_part(tmp_path, others, run=1, lost=[lost])
    assert len(taking_part(tmp_path, [*others, lost], run=1)) == 30, "it came back"
    assert len(taking_part(tmp_path, others, run=2, lost=[lost])) == 25, "another run is without it, and four rest"


def test_a_case_that_was_never_usable_is_nobody_s_loss(tmp_path: Path) -> None:
    *others, bad = cases(*range(30))
    assert len(taking_part(tmp_path, others, run=1, lost=[bad])) == 29
    assert len(taking_part(tmp_path, others, run=1, lost=[bad])) == 29


def test_too_few_are_left(tmp_path: Path) -> None:
    taking_part(tmp_path, cases(*range(6)))
    with pytest.raises(AccountError, match="the train part has too few patients left for an answer that does not tell"):
        taking_part(tmp_path, cases(*range(3)))


def test_a_test_part_of_which_too_few_are_left_is_not_told(tmp_path: Path) -> None:
    test = tuple(replace(case, split="test") for case in cases(*range(6)))
    assert Enrolled(roll(tmp_path), test).taking_part({"test": test}) == {"test": test}
    assert Enrolled(roll(tmp_path), test[:4]).taking_part({"test": test[:4]}) == {"test": ()}


@pytest.mark.parametrize("lasting", [True, False])
def test_over_whom_it_may_answer(tmp_path: Path, lasting: bool) -> None:
    listed = cases(*range(20))
    enrolled = Enrolled(replace(roll(tmp_path), file=tmp_path / FILE if lasting else None), listed)
    whole = tuple(listed)
    assert enrolled.may(TRAINING, "update", whole) and enrolled.may(TRAINING, "update", whole)
    assert enrolled.may(TRAINING, "sums", whole[:10], whole[10:], ())
    assert not enrolled.may(TRAINING, "sums", whole[:11], whole[11:]), "one patient changed sides"
    assert enrolled.may("evaluation.val", "evaluation", whole[:11]), "another family"
    with pytest.raises(AccountError, match=r"update: beside what this site has told before, this would tell of fewer"):
        enrolled.require(TRAINING, "update", whole[:19])
    assert not enrolled.may(TRAINING, "update", whole[:19]), "it was not noted"
    assert enrolled.may(TRAINING, "moments", whole[:15])


def test_the_account_outlives_its_process(tmp_path: Path) -> None:
    listed = cases(*range(20))
    Enrolled(roll(tmp_path), listed).require(TRAINING, "update", tuple(listed))
    later = Enrolled(roll(tmp_path), listed)
    assert later.may(TRAINING, "update", tuple(listed)) and not later.may(TRAINING, "moments", tuple(listed[:19]))


def test_slices_are_of_their_line(tmp_path: Path) -> None:
    """A plan that takes other slices of a series asks about the same line."""
    listed = cases(*range(20))
    enrolled = Enrolled(roll(tmp_path), listed)
    enrolled.require(TRAINING, "update", tuple(replace(case, row=3) for case in listed))
    assert not enrolled.may(TRAINING, "update", tuple(replace(case, row=7) for case in listed[:19]))
    assert enrolled.may(TRAINING, "update", tuple(replace(case, row=7) for case in listed))
