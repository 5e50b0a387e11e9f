"""Where a prediction or an export may be written is known before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.prediction import asked
from fedgraft.client.prediction.asked import require_new_folder, require_writable
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


def test_a_folder_for_pictures_or_reports_is_tried_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    require_new_folder("--sr", tmp_path / "new" / "below", False)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    for folder, text in (
        (tmp_path / "file", "is a file; name"),
        (tmp_path / "file" / "a", r"file is a file, in which"),
    ):
        with pytest.raises(DataError, match=text):
            require_new_folder("--explain", folder, False)
    with pytest.raises(DataError, match=r"is not empty; name another folder, or add --force"):
        require_new_folder("--explain", tmp_path, False)
    require_new_folder("--explain", tmp_path, True)
    if Path("/proc/self").is_dir():
        with pytest.raises(DataError, match=r"--explain /proc/a/b: nothing can be made in /proc \("):
            require_new_folder("--explain", Path("/proc/a/b"), False)
