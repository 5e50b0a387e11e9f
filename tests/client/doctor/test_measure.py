"""What a case costs: arithmetic, and a real measurement."""

from fedgraft.client.doctor.measure import seconds_per_case


def test_seconds_are_divided_by_cases_without_the_first_time() -> None:
    """Setting up takes 9 s, each time after it 0.25 s for 50 cases."""
    took, clock = iter([9.0]), [0.0]

    def work() -> int:
        clock[0] += next(took, 0.25)
        return 50

    assert seconds_per_case(work, lambda: clock[0]) == 0.005
