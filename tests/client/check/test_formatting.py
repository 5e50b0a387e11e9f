"""Words and numbers for people."""

import pytest

from fedgraft.client.check.formatting import count_of, lines_of, number_of, seconds_of, share, shown, size_of


def test_control_sequences_and_long_text_are_not_shown() -> None:
    assert shown("\x1b[31mred\n") == "�[31mred�"
    assert shown("a\u202egnp.exe") == "a�gnp.exe"  # right-to-left override
    assert shown("x" * 40) == "x" * 40 and shown("x" * 41) == "x" * 39 + "…"


def test_lines() -> None:
    assert lines_of([4]) == "line 4"
    assert lines_of([9, 2, 2]) == "lines 2, 9"
    assert lines_of(range(2, 14)) == "lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ..."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (size_of(999), "999 bytes"),
        (size_of(1500), "1.5 kB"),
        (size_of(123_456), "123 kB"),
        (size_of(9.9e15), "9900 TB"),
        (seconds_of(0.00042), "0.42 ms"),
        (seconds_of(0.25), "250 ms"),
        (seconds_of(3.21), "3.2 s"),
        (seconds_of(600), "10 min"),
        (seconds_of(9000), "2.5 h"),
        (share(1, 8), "12.5 %"),
        (share(0, 0), "-"),
        (count_of(1, "class", "classes"), "1 class"),
        (number_of(0.00123), "0.00123"),
        (number_of(37.252), "37.25"),
        (number_of(12345.6), "12,346"),
        (number_of(2e7), "2e+07"),
        (count_of(1200, "case"), "1,200 cases"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert text == expected
