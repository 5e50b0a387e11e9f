"""``fedgraft unseen``: recipes are compared by hospitals that had no part in training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgraft.common.cli import main
from fedgraft.common.errors import PlanError
from fedgraft.simulations.commands.unseen import best_of

WORDS = (
    *("data.sites=2", "data.cases=32", "data.size=64", "data.image_size=32", "data.val_fraction=0.3", "rounds=1"),
    *("backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "strategy=exact"),
    *("loss.weights=none", "calibration=none", "decide.unseen=null", "engine.threads=1", "engine.workers=0"),
)


def test_recipes_are_compared_by_each_hospital_that_is_left_out(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    out = tmp_path / "out"
    assert main(["unseen", f"out={out}", *WORDS, "--", "strategy.weakest=10"]) == 0
    found = json.loads((out / "unseen.json").read_text())
    assert {name: sorted(some) for name, some in found["figures"].items()} == {
        name: ["alder", "birch"] for name in ("as it is", "strategy.weakest=10")
    }
    assert found["chosen"] == best_of(found["figures"])
    told = json.loads((out / "0" / "alder" / "rounds.jsonl").read_text().splitlines()[-1])
    assert found["figures"]["as it is"]["alder"] == told["sites"]["alder"]["val"]["auroc"] is not None
    assert f"by validation cases of those left out: {found['chosen']}" in capsys.readouterr().out


def test_the_best_mean_is_chosen_and_wrong_words_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """0.7 and 0.65; then by x alone, since y has no figure of b."""
    assert best_of({"a": {"x": 0.9, "y": 0.4}, "b": {"x": 0.7, "y": 0.7}}) == "b"
    assert best_of({"a": {"x": 0.9, "y": 0.4}, "b": {"x": 0.7, "y": None}}) == "a"
    with pytest.raises(PlanError, match="no hospital told a defined figure on its validation cases"):
        best_of({"a": {"x": None}, "b": {"x": 0.7}})
    for words, said in (
        (["data=phantom"], "compares recipes: name what is different in another after `--`"),
        (["hold_out=[alder]", "--", "seed=1"], "leaves out each hospital itself; leave out hold_out"),
        (["data.sites=1", "patience.quorum_sites=1", "--", "seed=1"], "and there is one only"),
    ):
        assert main(["unseen", *words]) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    assert main(["unseen", "--help"]) == 0 and "Test cases are not looked at" in capsys.readouterr().out
