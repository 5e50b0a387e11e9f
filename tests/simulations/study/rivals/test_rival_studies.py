"""Whole studies of rivals, over tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.nn import functional

import fedgraft as fg
from fedgraft.server.reports.documents import write_documents

ROWS = 240


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fg.Source:
    """Three hospitals; who is older is rather ill."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    frame = {
        "age": [30 + (place * 7) % 50 for place in range(ROWS)],
        "ill": ["yes" if (place * 7) % 50 + (place * 13) % 40 > 45 else "no" for place in range(ROWS)],
        "hospital": [f"h{place % 3}" for place in range(ROWS)],
    }
    return fg.Source.from_frame(frame, label="ill", site="hospital", numeric=["age"])


class Brier(nn.Module):
    def __init__(self, class_weights: object) -> None:
        super().__init__()

    def forward(self, logits: Any, labels: Any) -> Any:
        return (logits.softmax(1) - functional.one_hot(labels, logits.shape[1])).square().sum(1).mean()


def test_rivals_share_cases_and_are_resumed(source: fg.Source, capsys: pytest.CaptureFixture[str]) -> None:
    plan = fg.plan("against=[strategy=fedprox strategy.proximal_mu=5,strategy=exact]", rounds=1, source=source)
    assert [rival.name for rival in plan.study.rivals] == ["fedprox proximal_mu=5", "exact"]
    study = fg.study(plan, seeds=[0], lrs=[0.1, 0.3], out="s")
    assert study.summary["methods"] == ["federated", "fedprox proximal_mu=5", "exact"]
    assert [study.summary["cost"][method]["runs"] for method in study.summary["methods"]] == [2, 2, 1]
    names = ["federated", "rival-1-fedprox-proximal_mu=5", "rival-2-exact"]
    folders = [Path("s/runs/seed-0") / name for name in names]
    tests = [
        [(f["cases"], f["positives"]) if "positives" in f else f["cases"] for f in by.values()]
        for by in (study.summary["figures"][method][0] for method in study.summary["methods"][:3])
    ]
    assert tests[0] == tests[1] == tests[2]
    assert all(len(list(folder.rglob("model.safetensors"))) == 1 for folder in folders)
    assert all(one["paired"] for one in study.summary["rivals"]["difference"].values())
    _python_has_a_frame_and_sentences(study)
    _the_kept_are_not_trained_again(plan, study.summary, folders)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Recipes beside each other" in printed and "By validation " in printed
    page = write_documents(study.out)[0].read_text(encoding="utf-8")
    assert "Recipes beside each other" in page and "All recipes, mean over hospitals" in page


def _python_has_a_frame_and_sentences(study: fg.Comparison) -> None:
    rows = study.rivals.to_dict("records")
    assert [row["site"] for row in rows] == ["mean over sites", "h0", "h1", "h2"] * 3
    assert {row["recipe"] for row in rows} == {"fedadam", "fedprox proximal_mu=5", "exact"}
    assert {row["minus"] for row in rows} == {"fedadam"}
    assert list(study.rival_sentences) == study.summary["rivals"]["sentences"]
    assert study.verdict is None and "fedadam, fedprox proximal_mu=5, exact; " in repr(study)
    assert "Recipes beside each other" in study._repr_html_()


def _the_kept_are_not_trained_again(plan: fg.Planned, before: dict[str, Any], folders: list[Path]) -> None:
    """One that is missing is trained; nothing changes."""
    lost = next(folders[1].glob("lr-*/trained.json"))
    lost.unlink()
    kept = {path: path.stat().st_mtime_ns for path in Path("s/runs").rglob("trained.json")}
    again = fg.study(plan, seeds=[0], lrs=[0.1, 0.3], out="s", resume=True, quiet=True)
    assert lost.is_file() and {path: path.stat().st_mtime_ns for path in kept} == kept
    assert again.summary["rivals"] == before["rivals"]


def test_a_class_of_a_notebook_is_in_all_recipes_that_do_not_choose_another(source: fg.Source) -> None:
    """The plan's own loss takes its place back as a rival."""
    study = fg.study(
        fg.plan(rounds=1, source=source),
        seeds=[0],
        against=["loss=cross_entropy", "rounds=2"],
        parts={"loss": Brier},
        out="s",
        quiet=True,
    )
    first, second = (
        json.dumps((study.out / "runs/seed-0" / name / "lr-0.1" / "plan.yaml").read_text())
        for name in ("rival-1-loss=cross_entropy", "rival-2-rounds=2")
    )
    assert "cross_entropy.CrossEntropy" in first and "__notebook__" in second


def test_a_study_without_rivals_has_none(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    assert fg.Comparison(tmp_path).rival_sentences == ()
    with pytest.raises(fg.DataError, match=r"holds no rivals; give the study against"):
        _ = fg.Comparison(tmp_path).rivals


def test_an_option_without_effect_on_the_cases_is_an_error_by_the_rival_s_name(source: fg.Source) -> None:
    with pytest.raises(fg.PlanError, match=r"against, absent=mask: .*loss.absent"):
        fg.study(fg.plan(rounds=1, source=source), against=["loss.absent=mask"], seeds=[0], out="s", quiet=True)
