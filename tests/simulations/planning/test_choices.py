"""What a plan can choose from."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.simulations.planning.choices import choices

CONF = Path(__file__).parents[3] / "conf"


def test_groups_and_members_are_those_of_conf() -> None:
    assert choices() == sorted(path.name for path in CONF.iterdir() if path.is_dir() and list(path.glob("*.yaml")))
    for group in choices():
        assert choices(group) == sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert {"focal", "cox"} <= set(choices("loss"))


def test_an_unknown_group_is_answered_with_all_of_them() -> None:
    with pytest.raises(PlanError, match=r"los is not a group; choose one of adapt, .*, strategy, tracking, train"):
        choices("los")


def test_a_folder_of_ones_own_is_added(tmp_path: Path) -> None:
    for name in ("loss/mine.yaml", "loss/notes.txt", "extra/one.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a: 1\n", encoding="utf-8")
    assert "mine" in choices("loss", tmp_path) and "mine" not in choices("loss")
    assert choices("extra", tmp_path) == ["one"]
