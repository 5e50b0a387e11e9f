"""What the task asks of a case."""

from fedgraft.client.check.outcomes import Outcome, absent_columns, outcomes, unreadable
from fedgraft.common.plan.data_sections import DataSection

from .conftest import case


def test_one_outcome_per_class_of_the_plan(two_classes: DataSection) -> None:
    cases = [case(0, "sick"), case(1, "well"), case(2, "other")]
    assert outcomes(cases, two_classes) == (
        Outcome("sick", (True, False, False)),
        Outcome("well", (False, True, False)),
    )
    assert unreadable(cases, two_classes) == [2]


def test_findings_may_be_unknown(findings_data: DataSection) -> None:
    cases = [case(0, mass="1", nodule="no"), case(1, mass="", nodule=" TRUE "), case(2, mass="maybe", nodule="0")]
    assert outcomes(cases, findings_data) == (
        Outcome("mass", (True, None, None)),
        Outcome("nodule", (False, True, None)),
    )
    assert unreadable(cases, findings_data) == [2]
    assert absent_columns([case(0, nodule="1")], findings_data) == ("mass",)


def test_survival_needs_a_time_and_an_event(survival_data: DataSection) -> None:
    cells = [("3.5", "1"), ("0", "1"), ("nan", "0"), ("later", "0"), ("2", ""), ("inf", "1")]
    cases = [case(at, time=time, event=event) for at, (time, event) in enumerate(cells)]
    assert unreadable(cases, survival_data) == [1, 2, 3, 4, 5]
    assert outcomes(cases, survival_data) == (Outcome("event", (True, None, None, None, None, None)),)
    assert absent_columns([case(0)], survival_data) == ("time", "event")


def test_without_a_plan_labels_are_classes() -> None:
    assert [one.name for one in outcomes([case(0, "b"), case(1, "a"), case(2, "b")], None)] == ["a", "b"]
    assert outcomes([case(at, f"text {at}") for at in range(31)], None) == ()
    assert outcomes([case(0, "", time="2", event="1")], None) == (Outcome("event", (True,)),)
    assert outcomes([case(0, "")], None) == ()
