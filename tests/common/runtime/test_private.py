"""New files are this account's alone, and a folder that was open to others is closed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedgraft.common.cli import main
from fedgraft.common.runtime.private import close_to_others, open_to_others, private_files


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every account can pass through to; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_what_is_written_within_the_block_is_private_whoever_writes_it(tmp_path: Path) -> None:
    def write(name: str) -> tuple[str, str]:
        (tmp_path / name / "below").mkdir(parents=True)
        code = "import sys; open(sys.argv[1], 'w').close()"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name / "file")], check=True)
        return mode(tmp_path / name / "below"), mode(tmp_path / name / "file")

    before = os.umask(0o022)
    try:
        with private_files():
            assert write("private") == ("0o700", "0o600")
            with private_files():
                pass
            assert write("still") == ("0o700", "0o600")
        assert write("after") == ("0o755", "0o644"), "a caller's own files are as they were"
    finally:
        os.umask(before)


def test_what_a_command_writes_is_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        folder = tmp_path / "new" / "site"
        given = ("--name", "north", "--manifest", "m.csv", "--out", str(folder / "site.yaml"))
        assert main(["site", "init", *given]) == 0
        assert main(["coordinator", "init", str(tmp_path / "c"), "--host", "localhost"]) == 0
    finally:
        os.umask(before)
    written = [path for top in ("new", "c") for path in (tmp_path / top, *(tmp_path / top).rglob("*"))]
    assert len(written) >= 9
    for path in written:
        assert mode(path) == ("0o700" if path.is_dir() else "0o600"), path


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    assert close_to_others(tmp_path / "state") is True
    assert mode(tmp_path / "state") == "0o700"
    assert close_to_others(tmp_path / "state") is False


def test_who_can_read_a_file(reachable: Path) -> None:
    (reachable / "inner").mkdir(mode=0o755)
    file = reachable / "inner" / "manifest.csv"
    file.touch(0o644)
    for path, permission, is_open in (
        (file, 0o644, True),
        (file, 0o640, False),
        (file, 0o644, True),
        (reachable / "inner", 0o711, True),
        (reachable / "inner", 0o700, False),
        (reachable / "inner", 0o755, True),
    ):
        path.chmod(permission)
        assert open_to_others(file) is is_open, (path, oct(permission))
    assert not open_to_others(reachable / "none")
    (reachable / "link").symlink_to(file)
    assert open_to_others(reachable / "link")
