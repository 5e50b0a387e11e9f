"""What a simulation says of an error at a site: where a part of one's own raised it."""

from __future__ import annotations

from pathlib import Path

import torch

from fedgraft.common.errors import DataError
from fedgraft.simulations.engine.trouble import sentence

SITE = Path("run/sites/north/site.yaml")
LOSS = """
def loss(logits):
    return logits[:, 5].mean()
"""


def test_an_error_in_a_part_of_ones_own_has_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(LOSS, encoding="utf-8")
    made: dict[str, object] = {}
    exec(compile(LOSS, str(tmp_path / "ours.py"), "exec"), made)
    try:
        made["loss"](torch.zeros(3, 2))  # type: ignore[operator]
    except IndexError as error:
        said = sentence(SITE, error)
    assert said.startswith("  at north: IndexError: index 5 is out of bounds for dimension 1 with size 2 (in ")
    assert said.endswith(f"(in {tmp_path / 'ours.py'}, line 3, loss)")


def test_an_error_that_speaks_for_itself_has_no_place() -> None:
    assert sentence(SITE, DataError("no case")) == "  at north: no case"
    assert sentence(SITE, KeyError("x")) == "  at north: KeyError: 'x'"  # pickled elsewhere: nobody knows where
