"""The same pixels twice."""

from fedgraft.client.check.sections.duplicates import duplicates
from fedgraft.client.cohort.case import Case

from ..conftest import case, case_table_of, facts, seen


def name(one: Case) -> str:
    return f"case-{one.path[3:-4]}"


def test_none() -> None:
    (found,) = duplicates(case_table_of([case(0), case(1)]), facts({}, {}), name)
    assert str(found) == "ok       duplicates: no two images have the same pixels"


def test_within_a_patient_they_are_only_counted() -> None:
    case_table = case_table_of([case(at, patient="p", split="train") for at in range(3)])
    (found,) = duplicates(case_table, facts({"digest": 7}, {"digest": 7}, {"digest": 7}), name)
    assert found.grade == "ok" and found.text.startswith("2 images twice or more, each time of one patient")


def test_refused_images_have_no_digest() -> None:
    case_table = case_table_of([case(0, "sick"), case(1, "well")])
    assert (
        duplicates(case_table, facts({"reason": "missing", "digest": 0}, {"reason": "damaged", "digest": 0}), name)[
            0
        ].grade
        == "ok"
    )


def test_different_patients() -> None:
    case_table = case_table_of([case(0), case(1), case(2)])
    (found,) = duplicates(case_table, facts({"digest": 7}, {}, {"digest": 7}), name)
    assert seen([found]) == [("warning", "duplicates")]
    assert found.text == (
        "the same pixels under different patients, 1 image (case-0 = case-2; lines 2, 4 of the manifest)"
    )
    assert found.todo == "find out whose image it is; if in doubt give them one `group`, or leave both out"


def test_different_labels() -> None:
    case_table = case_table_of([case(0, "sick", "p"), case(1, "well", "p")])
    (found,) = duplicates(case_table, facts({"digest": 7}, {"digest": 7}), name)
    assert (found.grade, found.todo) == ("warning", "correct the labels, or leave both out")
    assert found.text.startswith("the same pixels with different labels, 1 image (case-0 = case-1;")


def test_across_splits_is_a_problem() -> None:
    case_table = case_table_of([case(0, split="train"), case(1, split="test")])
    crossing, patients = duplicates(case_table, facts({"digest": 7}, {"digest": 7}), name)
    assert (crossing.grade, patients.grade) == ("problem", "warning")
    assert crossing.text.startswith("the same pixels in more than one split, 1 image (case-0 = case-1; lines 2, 3")
    assert crossing.todo == "give all cases of one such image the same `group`, or keep one of them"


def test_a_few_are_named() -> None:
    case_table = case_table_of([case(at) for at in range(14)])
    (found,) = duplicates(case_table, facts(*({"digest": at // 2} for at in range(14))), name)
    assert "7 images (case-0 = case-1; " in found.text and "case-10 = case-11; ...; lines 2, 3," in found.text
    assert "case-12" not in found.text
