"""The picture of a run, drawn by a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from fedgraft.common.errors import FedGraftError
from fedgraft.server.reports.plot import _shade, draw_rounds
from fedgraft.server.reports.plot_process import picture

FIGURES = {"auroc": 0.7}
SUMMARY: dict[str, Any] = {
    "headline": "auroc",
    "columns": {"auroc": "AUROC"},
    "worst_site": {"name": "north"},
    "sites": {"north": {"split": "val"}, "south": {"split": "val"}},
    "test": {"source": "sites"},
}
LINES: list[dict[str, Any]] = [
    {"round": number, "test": FIGURES, "train_loss": 0.5, "sites": {"north": {"val": FIGURES}, "south": {}}}
    for number in range(3)
]


def test_it_is_there_when_drawing_returns(tmp_path: Path) -> None:
    with picture(tmp_path / "rounds.png") as drawn:
        drawn.draw(LINES, SUMMARY)
        with Image.open(tmp_path / "rounds.png") as image:
            assert image.format == "PNG" and image.width > 1000


def test_of_many_sites_no_line_is_drawn_for_each(tmp_path: Path) -> None:
    """The picture of 60 sites is as large as that of 50: only quantiles are drawn."""
    sizes = []
    for sites in (50, 60):
        names = {f"site-{k}": 0.5 + k / 200 for k in range(sites)}
        lines = [{**line, "sites": {n: {"val": {"auroc": v}} for n, v in names.items()}} for line in LINES]
        summary = {**SUMMARY, "worst_site": {"name": None}, "sites": {name: {"split": "val"} for name in names}}
        axes = Figure().subplots()
        _shade(axes, lines, "val", "auroc")
        sizes.append((len(axes.lines), len(axes.collections)))
        draw_rounds(tmp_path / "rounds.png", lines, summary)
        assert axes.lines[0].get_ydata() == pytest.approx([0.5 + (sites - 1) / 400] * 3)
    assert sizes == [(1, 1)] * 2


def test_what_can_not_be_drawn_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(FedGraftError, match=r"gone/rounds.png could not be drawn \(.*\); everything else .* is written"),
        picture(tmp_path / "gone" / "rounds.png") as drawn,
    ):
        drawn.draw(LINES, SUMMARY)


def test_a_run_that_fails_leaves_no_process_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "rounds.png") as drawn:
        _ = 1 / 0
    assert drawn._process.returncode is not None
    assert not (tmp_path / "rounds.png").exists()
