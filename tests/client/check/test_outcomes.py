"""What the task asks of a case."""

from fedgraft.client.check.outcomes import absent_columns, outcomes
from fedgraft.common import tasks
from fedgraft.common.interfaces.task import Outcome
from fedgraft.common.plan.data_sections import DataSection

from .conftest import case


def test_one_outcome_per_class_of_the_plan(two_classes: DataSection) -> None:
    cases = [case(0, "sick"), case(1, "well"), case(2, "other")]
    assert outcomes(cases, tasks.of(two_classes)) == (
        Outcome("sick", (True, False, False)),
        Outcome("well", (False, True, False)),
    )
    assert tasks.of(two_classes).unreadable(cases) == [2]


def test_findings_may_be_unknown(findings_data: DataSection) -> None:
    cases = [case(0, mass="1", nodule="no"), case(1, mass="", nodule=" TRUE "), case(2, mass="maybe", nodule="0")]
    assert outcomes(cases, tasks.of(findings_data)) == (
        Outcome("mass", (True, None, None)),
        Outcome("nodule", (False, True, None)),
    )
    assert tasks.of(findings_data).unreadable(cases) == [2]
    assert absent_columns([case(0, nodule="1")], tasks.of(findings_data)) == ("mass",)


def test_survival_needs_a_time_and_an_event(survival_data: DataSection) -> None:
    cells = [("3.5", "1"), ("0", "1"), ("nan", "0"), ("later", "0"), ("2", ""), ("inf", "1")]
    cases = [case(at, time=time, event=event) for at, (time, event) in enumerate(cells)]
    assert tasks.of(survival_data).unreadable(cases) == [1, 2, 3, 4, 5]
    assert outcomes(cases, tasks.of(survival_data)) == (Outcome("event", (True, None, None, None, None, None)),)
    assert absent_columns([case(0)], tasks.of(survival_data)) == ("time", "event")


def test_without_a_plan_labels_are_classes() -> None:
    assert [one.name for one in outcomes([case(0, "b"), case(1, "a"), case(2, "b")], None)] == ["a", "b"]
    assert outcomes([case(at, f"text {at}") for at in range(31)], None) == ()
    assert outcomes([case(0, "", time="2", event="1")], None) == (Outcome("event", (True,)),)
    assert outcomes([case(0, "")], None) == ()
