"""Where a prediction or an export may be written is known before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.prediction import asked
from fedgraft.client.prediction.asked import require_writable
from fedgraft.common.errors import DataError


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Path) -> None:
        assert options == {"dir": tmp_path.resolve()}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(asked.tempfile, "TemporaryFile", full)
    with pytest.raises(
        DataError, match=r"--out .*a.csv: no file can be made in its folder \(No space left on device\); name another"
    ):
        require_writable(tmp_path / "a.csv", force=False)


def test_a_folder_of_the_system_is_said() -> None:
    """Also root can make no file in it."""
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a /proc")
    with pytest.raises(DataError, match=r"--out /proc/a.csv: no file can be made in its folder"):
        require_writable(Path("/proc/a.csv"), force=False)


def test_nothing_is_left_in_a_folder_that_takes_files(tmp_path: Path) -> None:
    require_writable(tmp_path / "a.csv", force=False)
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(DataError, match=r"its folder does not exist"):
        require_writable(tmp_path / "none" / "a.csv", force=False)
    with pytest.raises(DataError, match=r"is a folder; name a file"):
        require_writable(tmp_path, force=False)
