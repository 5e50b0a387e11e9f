"""The bars of a series of runs, and those of one run among them."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from fedgraft.simulations.engine.display import Display, Runs


def test_a_run_s_bars_join_those_of_the_series_and_leave() -> None:
    with Runs(Console(file=StringIO())) as runs:
        runs.expect(2)
        for number in (1, 2):
            runs.begin(f"seed {number}")
            with Display(Console(quiet=True), 4, 3, runs.bars) as display:
                display.decoded(4)
                assert [task.description for task in runs.bars.tasks] == [
                    f"run {number} of 2",
                    "cases decoded",
                    "cases computed",
                    "rounds",
                ]
            runs.end()
            (bar,) = runs.bars.tasks
            assert (bar.completed, bar.total, bar.fields["note"]) == (number, 2, f"seed {number}")
