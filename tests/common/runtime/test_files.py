"""Folders for this account alone."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.runtime.files import private_folder


def test_what_is_made_is_private_and_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    made = private_folder(tmp_path / "there" / "state" / "kept")
    assert [oct(folder.stat().st_mode & 0o777) for folder in (made, made.parent, made.parent.parent)] == [
        "0o700",
        "0o700",
        "0o755",
    ]
    assert private_folder(made) == made
