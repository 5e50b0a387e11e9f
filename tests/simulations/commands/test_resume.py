"""``fedgraft simulate resume=RUN``, and ``fg.simulate(..., resume=True)``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fedgraft as fg
from fedgraft.common import tensors
from fedgraft.common.cli import main
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.deployment.folder import COMPLETE
from fedgraft.simulations.commands.resumed import resumed_words

WORDS = (
    "data=phantom",
    "data.sites=3",
    "data.cases=32",
    "data.image_size=32",
    "rounds=2",
    "engine.threads=1",
    "train.schedule=constant",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))


def test_a_run_that_was_cut_off_goes_on_and_a_complete_one_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *WORDS, "hydra.run.dir='a run'"]) == 0
    out = tmp_path / "a run"
    whole = (out / "model" / "model.safetensors").read_bytes()
    assert json.loads((out / "summary.json").read_text())["complete"] is True
    written = (out / "summary.json").stat().st_mtime_ns
    assert main(["simulate", "resume=a run"]) == 0
    assert (out / "summary.json").stat().st_mtime_ns == written  # nothing was left to do
    (out / "checkpoint" / COMPLETE).unlink()
    assert main(["simulate", "resume=a run"]) == 0
    assert (out / "summary.json").stat().st_mtime_ns > written
    assert (out / "model" / "model.safetensors").read_bytes() == whole
    assert Checkpoints(out).ended
    assert main(["simulate", "resume=a run", "extend=1"]) == 0
    longer = fg.simulate(fg.plan(*WORDS, "rounds=3"), tmp_path / "three", quiet=True)
    assert (out / "model" / "model.safetensors").read_bytes() != whole
    found = [tensors.load(some / "model" / "model.safetensors") for some in (out, longer.out)]
    assert tensors.digest(found[0]) == tensors.digest(found[1])
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["rounds"], summary["completed_rounds"], summary["extended"]) == (3, 3, [2])
    assert [row["round"] for row in map(json.loads, (out / "rounds.jsonl").read_text().splitlines())] == [0, 1, 2, 3]
    assert main(["simulate", "resume=a run", "extend=x"]) == 2


def test_what_a_site_keeps_goes_on_under_the_longer_plan(tmp_path: Path) -> None:
    words = (*WORDS, "personal=ditto", "compression=topk")
    fg.simulate(fg.plan(*words, "rounds=1"), tmp_path / "two", quiet=True)
    two = fg.simulate(fg.plan(*words, "rounds=1"), tmp_path / "two", quiet=True, resume=True, extend=1)
    whole = fg.simulate(fg.plan(*words, "rounds=2"), tmp_path / "whole", quiet=True)
    for site in ("alder", "birch", "cedar"):
        files = [some.out / "sites" / site / "state" / "local" for some in (two, whole)]
        last = [max(folder.glob("*-own.safetensors"), key=lambda file: file.stat().st_mtime_ns) for folder in files]
        assert tensors.digest(tensors.load(last[0])) == tensors.digest(tensors.load(last[1]))
    (tmp_path / "two" / "checkpoint" / COMPLETE).unlink()
    with pytest.raises(
        fg.FedGraftError, match=r"extend=1 is for a run that is complete; resume .*two without it first"
    ):
        fg.simulate(fg.plan(*words, "rounds=1"), tmp_path / "two", quiet=True, resume=True, extend=1)


def test_other_words_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "resume=x", "rounds=9"]) == 2
    assert "resume=x goes on with the plan of that run; leave out rounds=9" in capsys.readouterr().err
    assert main(["simulate", "resume=x", "resume=y"]) == 2
    assert "leave out the other resume" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "resume=nowhere"]) == 2
    assert "no run that `fedgraft simulate` began is there" in capsys.readouterr().err
    plan = fg.plan(*WORDS)
    with pytest.raises(fg.FedGraftError, match="holds nothing to resume"):
        fg.simulate(plan, tmp_path / "nowhere", resume=True)
    with pytest.raises(fg.FedGraftError, match="resume needs the folder"):
        fg.simulate(plan, resume=True)


def test_the_words_are_those_of_the_run(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- data=phantom\n- rounds=3\n")
    sources = "[{path: fedgraft.conf, provider: main}, {path: /groups, provider: command-line}]"
    (tmp_path / ".hydra" / "hydra.yaml").write_text(f"hydra: {{runtime: {{config_sources: {sources}}}}}\n")
    assert resumed_words(["rounds=3"]) is None
    expected = ["--config-dir", "/groups", "data=phantom", "rounds=3", f"hydra.run.dir='{tmp_path}'"]
    assert resumed_words([f"resume={tmp_path}"]) == (expected, 0)
    assert resumed_words([f"resume={tmp_path}", "extend=3"]) == (expected, 3)
    with pytest.raises(fg.FedGraftError, match="extend=-1: give a number of rounds, 1 or more"):
        resumed_words([f"resume={tmp_path}", "extend=-1"])


def test_kills_at_random_moments_end_with_the_same_bits() -> None:
    """The drill itself, with a few kills."""
    drill = Path(__file__).parents[3] / "benchmarks" / "drills.py"
    words = [sys.executable, str(drill), "--kills", "4", "--only", "top-k"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "top-k: 4 kills" in done.stderr


def test_a_study_trains_only_what_has_not_ended(tmp_path: Path) -> None:
    """The second seed was cut off: one of its trainings had ended, of the other there is a checkpoint."""
    plan = fg.plan(*WORDS, "select=best")
    whole = fg.study(plan, ["local"], [0, 1], out=tmp_path / "whole", quiet=True)
    fg.study(plan, ["local"], [0, 1], out=tmp_path / "cut", quiet=True)
    runs = tmp_path / "cut" / "runs"
    ended = {path: path.stat().st_mtime_ns for path in runs.rglob("trained.json")}
    assert len(ended) == 8  # the federation and three sites, twice
    cut = runs / "seed-1" / "federated" / "lr-0.01" / "trained.json"
    cut.unlink()
    del ended[cut]
    (tmp_path / "cut" / "study.json").unlink()
    found = fg.study(plan, ["local"], [0, 1], out=tmp_path / "cut", quiet=True, resume=True)
    assert {path: path.stat().st_mtime_ns for path in ended} == ended
    assert cut.is_file()
    times = ("cost", "seconds")
    one, other = ({k: v for k, v in some.summary.items() if k not in times} for some in (found, whole))
    assert one == other
    with pytest.raises(fg.FedGraftError, match=r"holds nothing to resume \(no runs\)"):
        fg.study(plan, ["local"], out=tmp_path / "nowhere", resume=True)
