"""docs/python.md, run as it stands, block after block, in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", re.DOTALL)


@pytest.mark.processes
def test_the_page_runs_and_prints_what_it_says(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    space: dict[str, object] = {"__name__": "__page__"}
    for code, printed in blocks:
        capsys.readouterr()
        exec(compile(code, str(PAGE), "exec"), space)
        assert printed in capsys.readouterr().out
    assert len(blocks) == 9 and sum(bool(printed) for _, printed in blocks) == 1
    assert str(space["run"]).startswith("<run runs/brier: 2 sites, 3 rounds")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["brier", "first", "own", "rivals", "study"]
