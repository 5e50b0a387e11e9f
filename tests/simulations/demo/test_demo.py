"""`fedgraft demo`: what it refuses before anything starts. That it runs: tests/deployment/test_demo.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.common.cli import main


def test_a_folder_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("x")
    assert main(["demo", "--folder", str(tmp_path)]) == 2
    assert f"--folder {tmp_path} is not empty; name another, or remove it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("word", ["rounds=3", "data.sites=4", "data=busi"])
def test_options_that_it_sets_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main(["demo", "--folder", str(tmp_path / "new"), word]) == 2
    assert f"{word}: the demo sets this itself; use --sites, --cases, --rounds" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_option_of_the_plan_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--folder", str(tmp_path / "new"), "strategy=nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
