"""Which line a case comes from."""

from dataclasses import replace

import pytest

from fedgraft.client.check.cases import lines_of_cases
from fedgraft.client.cohort.case import Case

FILM, SERIES, OTHER = (Case(path, "x", "p") for path in ("/film.png", "/series", "/other"))


def slices(case: Case, number: int) -> list[Case]:
    return [replace(case, row=row) for row in range(number)]


def test_each_line_a_case() -> None:
    assert lines_of_cases([FILM, OTHER], [FILM, OTHER]) == (2, 3)


def test_lines_that_are_several() -> None:
    expanded = [FILM, *slices(SERIES, 3), *slices(OTHER, 1)]
    assert lines_of_cases([FILM, SERIES, OTHER], expanded) == (2, 3, 3, 3, 4)


def test_a_frame_that_has_a_line_of_its_own_too() -> None:
    """The file once as a whole, then its frame 0 again."""
    listed = [SERIES, replace(SERIES, row=0)]
    assert lines_of_cases(listed, [*slices(SERIES, 2), replace(SERIES, row=0)]) == (2, 2, 3)


def test_rows_of_one_file() -> None:
    listed = [replace(FILM, row=row) for row in (4, 2, 3)]
    assert lines_of_cases(listed, listed) == (2, 3, 4)


def test_other_cases() -> None:
    with pytest.raises(ValueError, match="not those of the manifest, in its order"):
        lines_of_cases([FILM, OTHER], [OTHER, FILM])
