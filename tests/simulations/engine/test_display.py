"""The bars of a series of runs, and those of one run among them."""

from __future__ import annotations

import importlib.util
from io import StringIO

import pytest
from rich.console import Console

from fedgraft.common import tasks
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.server.rounds.state import Round
from fedgraft.simulations.engine.display import Display, Runs, bars


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


def test_cases_that_are_not_computed_are_explained() -> None:
    """Ten rows of 40,830 are equal to others."""
    task = tasks.of(DataSection("classification", ("a", "b"), None, "sites", 0.1, 0.2))
    round_ = Round(number=1, task=task)
    with Runs(Console(file=StringIO())) as runs, Display(Console(quiet=True), 40_830, 3, runs.bars) as display:
        display.computed(40_820)
        display.round(round_)
        bar = next(task for task in runs.bars.tasks if task.description == "cases computed")
        assert (bar.completed, bar.total) == (40_820, 40_820)
        assert bar.fields["note"] == "10 more: kept before, equal to another, or unusable"


def test_a_notebook_without_ipywidgets_has_no_bars_and_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook, terminal = Console(force_jupyter=True, record=True), Console()
    assert not bars(notebook).disable  # they are widgets there
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bars(notebook).disable and not bars(terminal).disable
    assert "for bars in a notebook: pip install 'fedgraft[notebook]'" in notebook.export_text()
