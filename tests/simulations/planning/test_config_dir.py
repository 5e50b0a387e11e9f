"""A folder of one's own (``--config-dir``) can add a member to every group of `conf/`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedgraft.common.cli import main
from fedgraft.common.errors import PlanError
from fedgraft.simulations.planning.choices import choices, groups, several_members
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

CONF = Path(__file__).parents[3] / "conf"
COPIED = {
    "adapt": "adabn",
    "adaptation": "ssf",
    "aggregation": "secure",
    "alignment": "coral",
    "augment": "mild",
    "backbone": "timm",
    "bounds": "none",
    "calibration": "isotonic",
    "clock": "clinics",
    "compression": "int8",
    "data": "busi",
    "dicom": "volume",
    "engine": "ray",
    "experiment": "busi_stages",
    "features": "taps",
    "harmonise": "histogram",
    "head": "cosine",
    "initial": "ridge",
    "input": "by_data",
    "loss": "focal",
    "partition": "iid",
    "patience": "default",
    "personal": "ditto",
    "privacy": "record",
    "sampling": "over",
    "strategy": "fedprox",
    "tracking": "tensorboard",
    "train": "adamw",
}
"""By group: a member that is copied to ``ours``; not the default, where there is another."""
BESIDE = {"adapt": ("hold_out=[alder]",), "sampling": ("loss.weights=none",)}
"""What some members need."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for group, name in COPIED.items():
        (tmp_path / group).mkdir()
        shutil.copy(CONF / group / f"{name}.yaml", tmp_path / group / "ours.yaml")
    return tmp_path


def test_every_group_is_tried() -> None:
    assert sorted(COPIED) == choices()


@pytest.mark.parametrize("group", sorted(COPIED))
def test_a_plan_takes_a_file_of_one_s_own(folder: Path, group: str) -> None:
    beside = BESIDE.get(group, ())
    own = composed(Words((f"{group}=ours", *beside), config_dir=folder)).plan
    assert own == composed(Words((f"{group}={COPIED[group]}", *beside))).plan
    assert (own != composed(Words(beside)).plan) == (group not in ("input", "patience"))
    assert groups(folder)[group] == sorted([*choices(group), "ours"])


def test_the_command_line_takes_one_for_every_group(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--config-dir", str(folder), "--cfg", "job", *(f"{group}=ours" for group in COPIED)]) == 0
    own = capsys.readouterr().out
    assert main(["simulate", "--cfg", "job", *(f"{group}={name}" for group, name in COPIED.items())]) == 0
    assert own == capsys.readouterr().out
    assert "freeze: blocks.4" in own and "FocalLoss" in own


@pytest.mark.parametrize("group", ["loss", "experiment"])
def test_a_list_of_members_is_refused_by_name(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Hydra would take the last one without a word."""
    assert main(["plan", f"{group}=[a,b]", "head=cosine"]) == 2
    wrong = f"{group}=[a,b]: {group} takes one member; for a run of each use -m {group}=a,b"
    assert wrong in capsys.readouterr().err
    with pytest.raises(PlanError) as caught:
        composed(Words((f"{group}=[a,b]",)))
    assert caught.value.problems == (wrong,)


def test_other_lists_and_sweeps_of_members_are_none_of_that() -> None:
    known = groups()
    words = ("hold_out=[alder]", "loss=focal,ldam", "~loss", "loss=focal", "train.lr=0.1", "a b")
    assert [several_members(word, known) for word in words] == [None] * 6
