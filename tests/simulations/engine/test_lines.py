"""What a run says of its progress in a file or a pipe."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from fedgraft.simulations.engine import display
from fedgraft.simulations.engine.display import bars, wide_console
from fedgraft.simulations.engine.lines import Lines


def test_a_line_every_ten_seconds_and_none_in_a_terminal() -> None:
    for terminal in (False, True):
        said, clock = StringIO(), [100.0]
        progress = bars(Console(file=said, force_terminal=terminal, width=40))
        cases = progress.add_task("cases computed", total=5000, note="")
        rounds = progress.add_task("rounds", total=20, note="preparing the sites")
        lines = Lines(progress, lambda clock=clock: clock[0])
        for seconds, computed, trained in ((109.9, 900, 0), (110.0, 1000, 0), (119.0, 5000, 1), (185.2, 5000, 3)):
            clock[0] = seconds
            progress.update(cases, completed=computed)
            progress.update(rounds, completed=trained, note="4 site(s), loss 0.41")
            lines.look()
        expected = (
            "0:00:10 cases computed 1,000 of 5,000\n"
            "0:01:25 cases computed 5,000 of 5,000; rounds 3 of 20 (4 site(s), loss 0.41)\n"
        )
        assert said.getvalue() == ("" if terminal else expected)


def test_tables_in_a_file_are_as_wide_as_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert wide_console().width == display.WIDE
    monkeypatch.setenv("COLUMNS", "60")
    assert wide_console().width == 60
