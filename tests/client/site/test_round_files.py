"""A round that is asked for again starts from the same files as the first time."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.site.round_files import begin_round
from fedgraft.common.errors import CheckpointError
from fedgraft.common.runtime.files import replacing


def write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "local").mkdir()
    return tmp_path / "local" / "layers", tmp_path / "local" / "errors"


def test_a_round_again_finds_what_was_before_it(files: tuple[Path, Path], tmp_path: Path) -> None:
    layers, errors = files
    begin_round(files, tmp_path / "before", 1)
    write(layers, "after 1")
    begin_round(files, tmp_path / "before", 2)
    write(layers, "half of 2")
    write(errors, "of 2")
    begin_round(files, tmp_path / "before", 2)
    assert layers.read_text() == "after 1"
    assert not errors.exists()
    write(layers, "after 2")
    begin_round(files, tmp_path / "before", 1)  # the coordinator's last checkpoint was damaged
    assert not layers.exists()
    begin_round(files, tmp_path / "before", 2)
    write(layers, "again")
    begin_round(files, tmp_path / "before", 2)
    assert not layers.exists()


def test_two_rounds_are_kept_and_further_back_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    for number in (1, 2, 5):
        begin_round(files, tmp_path / "before", number)
        write(files[0], f"after {number}")
    assert sorted(path.name for path in (tmp_path / "before").iterdir()) == ["5"]
    with pytest.raises(CheckpointError, match="round 2 is asked for again, but this site has gone on to round 5"):
        begin_round(files, tmp_path / "before", 2)
    assert files[0].read_text() == "after 5"


def test_a_copy_that_was_cut_off_is_made_again(files: tuple[Path, Path], tmp_path: Path) -> None:
    write(files[0], "before 1")
    (tmp_path / "before" / ".1.partial").mkdir(parents=True)
    (tmp_path / "before" / ".1.partial" / "layers").write_text("cut off")
    begin_round(files, tmp_path / "before", 1)
    write(files[0], "after 1")
    begin_round(files, tmp_path / "before", 1)
    assert files[0].read_text() == "before 1"
