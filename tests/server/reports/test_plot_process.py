"""The picture of a run, drawn by a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fedgraft.common.errors import FedGraftError
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
