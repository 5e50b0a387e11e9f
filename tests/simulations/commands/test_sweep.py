"""The runs of a sweep beside each other."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from fedgraft.simulations.commands.sweep import Swept, say_sweep, sweep_rows


def summary(val: float | None, test: float | None, low: float | None = None, worst: str | None = "north") -> Any:
    together = {"auroc": {"value": test, "low": low, "high": None if low is None else low + 0.2}}
    return {
        "headline": "auroc",
        "columns": {"auroc": "AUROC"},
        "val": {"auroc": val},
        "test": {"auroc": test},
        "intervals": {"together": together},
        "worst_site": {"name": worst, "auroc": 0.5},
    }


RUNS = [
    Swept(("data=busi", "strategy=fedavg", "rounds=3"), "0", summary(0.8, 0.9, 0.75)),
    Swept(("data=busi", "strategy=fedprox", "rounds=3"), "1", summary(0.85, 0.7)),
    Swept(("data=busi", "strategy=median", "rounds=3"), "2", summary(None, None, worst=None)),
]


def test_the_run_that_validation_cases_choose_is_marked_whatever_its_test_figure_is() -> None:
    assert sweep_rows(RUNS) == [
        ("strategy=fedavg", "0.800", "0.900 [0.750, 0.950]", "0.500 north", "0"),
        ("strategy=fedprox *", "0.850", "0.700", "0.500 north", "1"),
        ("strategy=median", "–", "–", "–", "2"),
    ]


def shown(runs: list[Swept]) -> str:
    say_sweep(runs, Console(file=(text := StringIO()), width=200))
    return text.getvalue()


def test_a_single_run_or_other_figures_have_no_table() -> None:
    other = Swept(("a=1",), "1", {**summary(0.8, 0.9), "columns": {"auroc": "C-index"}})
    assert shown(RUNS[:1]) == shown([RUNS[0], other]) == ""
    said = shown(RUNS)
    assert "AUROC val" in said and "* best on validation cases, by which to choose; test figures of one draw" in said
