"""``fedgraft simulate start_from=RUN``, and ``fg.plan(..., start_from=RUN)``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import fedgraft as fg
from fedgraft.common import tensors
from fedgraft.common.cli import main
from fedgraft.common.model_folder.graft import FILE
from fedgraft.server.deployment.folder import COMPLETE

WORDS = (
    "data=phantom",
    "data.sites=3",
    "data.cases=32",
    "data.image_size=32",
    "rounds=1",
    "engine.threads=1",
    "engine.workers=0",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))


def weights(out: str) -> str:
    return tensors.digest(tensors.load(Path(out) / "model" / "model.safetensors"))


def first_line(out: str) -> dict[str, object]:
    line: dict[str, object] = json.loads((Path(out) / "rounds.jsonl").read_text().splitlines()[0])
    return line


def test_a_run_begins_where_another_ended(capsys: pytest.CaptureFixture[str]) -> None:
    first = fg.simulate(fg.plan(*WORDS), "first", quiet=True)
    second = ["simulate", *WORDS, "start_from=first", "seed=0", "train.lr=0.02", "hydra.run.dir='a second'"]
    assert main(second) == 0
    out = Path("a second")
    summary, plan = json.loads((out / "summary.json").read_text()), fg.Run(out).plan
    assert first_line("a second")["test"] == {n: v for n, v in first.summary["test"].items() if n != "source"}
    assert summary["start_from"] == {"digest": plan.start_from, "run": "first", "plan_digest": first.plan.digest}
    assert first.summary["start_from"] is None and weights("a second") != weights("first")
    assert plan.start_from in (out / "plan.yaml").read_text() and "first" not in (out / "plan.yaml").read_text()

    whole = weights("a second")
    shutil.rmtree("first")
    (out / "checkpoint" / COMPLETE).unlink()
    assert main(["simulate", "resume=a second"]) == 0, "it has what it began from"
    for file in (out / "checkpoint").iterdir():
        file.unlink()
    assert main(["simulate", "resume=a second"]) == 0, "and begins again"
    by_file = fg.simulate("a second/plan.yaml", "by file", quiet=True)
    by_run = fg.simulate(fg.Run(out).plan, "by run", quiet=True)
    assert {weights(str(run.out)) for run in (by_file, by_run)} == {weights("a second")} == {whole}
    fg.simulate(fg.plan(*WORDS), "a second", quiet=True)
    assert not (out / FILE).exists(), "another run in the same folder begins from nothing"


def test_a_plan_that_was_made_before_can_begin_from_a_run() -> None:
    fg.simulate(fg.plan(*WORDS), "first", quiet=True)
    plan = fg.plan(*WORDS)
    second = fg.simulate(plan, "second", start_from="first", quiet=True)
    assert second.plan.start_from == fg.plan(*WORDS, start_from="first").start_from
    with pytest.raises(fg.PlanError, match="begins from a model that is not here; say where, by start_from=RUN"):
        fg.simulate(second.plan.plan, "third", quiet=True)
    with pytest.raises(fg.FedGraftError, match="start_from=first has no effect with resume"):
        fg.simulate(plan, "second", start_from="first", resume=True)
    with pytest.raises(fg.PlanError, match="start_from=first is this run's own folder, where that model would be lost"):
        fg.simulate(plan, "first", start_from="first")
    with pytest.raises(fg.PlanError, match=r"start_from: first lacks adapters\..* and \d+ more, which this plan"):
        fg.simulate(fg.plan(*WORDS, "adaptation=ssf", start_from="first"), "fourth", quiet=True)


def test_what_can_t_begin_is_refused_with_all_else_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(fg.PlanError, match=r"(?s)start_from=nowhere: nowhere is no folder.*rounds=-1"):
        fg.plan(*WORDS, "start_from=nowhere", "rounds=-1")
    assert main(["simulate", *WORDS, "start_from=out/model", "hydra.run.dir=out"]) == 2
    assert "start_from=out/model is this run's own folder" in capsys.readouterr().err
    fg.simulate(fg.plan(*WORDS), "first", quiet=True)
    with pytest.raises(fg.PlanError, match="start_from begins one run, and a study begins each training from its own"):
        fg.plan(*WORDS, "seeds=[0,1]", start_from="first")
