"""Grids and bars."""

from fedgraft.client.check.report import Bars, Grid

GRID = Grid("t", ("sex", "cases", "share", "word"), (("F", "2", "-", "2"), ("M", "3", "1.0 %", "x")))


def test_a_grid_on_its_side() -> None:
    turned = GRID.transposed()
    assert turned.header == ("sex", "F", "M")
    assert turned.rows == (("cases", "2", "3"), ("share", "-", "1.0 %"), ("word", "2", "x"))
    assert turned.transposed() == GRID


def test_columns_of_numbers_are_set_to_the_right() -> None:
    assert GRID.right == (False, True, True, False)


def test_the_highest_bar() -> None:
    assert Bars("", ("a", "b"), (1.0, 3.0)).top == 3.0 and Bars("", ("a",), (0.0,)).top == 1.0
    assert Bars("", ("a",), (1.0,), ((0.5, 4.0),)).top == 4.0
    assert Bars("", ("a", "b"), (1.0, 3.0)).pairs == (("a", 1.0), ("b", 3.0))
