"""``fedgraft audit privacy`` on small runs of phantoms: pages, figures, and what it refuses by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import exp, log
from pathlib import Path

import pytest
import torch

import fedgraft as fg
from fedgraft.common.cli import main
from fedgraft.common.errors import DataError, PlanError
from fedgraft.simulations.audit.any_graft.confidence import sureness
from fedgraft.simulations.audit.audit import Asked, audit
from fedgraft.simulations.audit.finding import Finding

SMALL = (
    *("backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "data.image_size=32"),
    *(
        "data.sites=2",
        "data.cases=60",
        "data.size=64",
        "train.epochs=1",
        "engine.threads=1",
        "engine.workers=0",
        "rounds=1",
        "head=plain",
    ),
)
RunOf = Callable[..., Path]


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``run_of("head=mlp")``: the folder of a run."""
    folder = tmp_path_factory.mktemp("runs")
    made: dict[tuple[str, ...], Path] = {}

    def run(*words: str) -> Path:
        if words not in made:
            made[words] = folder / str(len(made))
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("FEDGRAFT_CACHE", str(folder / "cache"))
                fg.simulate(fg.plan(*SMALL, *words), made[words], quiet=True)
        return made[words]

    return run


@pytest.fixture(autouse=True)
def _cache(run_of: RunOf, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(run_of().parent / "cache"))


def attacked(folder: Path, *names: str, shadows: int = 16) -> dict[str, Finding]:
    return {one.name: one for one in audit(folder, Asked(names, shadows), lambda name: None)}


def test_the_command_writes_a_page_that_names_no_case(run_of: RunOf, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_of("strategy=exact", "strategy.weakest=0.01")
    names = "membership,updates,canaries,reconstruction,differencing"
    assert main(["audit", "privacy", str(folder), "--shadows", "16", "--attacks", names]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "16 shadow heads" in said and "it names no case" in said.lower() and "audit.html" in said
    found = json.loads((folder / "audit.json").read_text())
    assert [one["name"] for one in found["attacks"]] == names.split(",")
    assert [one["name"] for one in found["attacks"] if not one["tried"]] == ["canaries"]
    assert found["plan_digest"] == json.loads((folder / "summary.json").read_text())["plan_digest"]
    page, report = ((folder / name).read_text() for name in ("audit.html", "report.html"))
    assert "The run promised patients nothing" in page
    warned = json.loads((folder / "summary.json").read_text())["warnings"]
    assert any(one.startswith("red flag, gradients in the clear: with strategy=exact") for one in warned)
    assert "Privacy, attacked" in report and 'href="audit.html"' in report
    lines = next(folder.glob("sites/*/manifest.csv")).read_text().splitlines()[1:]
    paths = [line.split(",")[0] for line in lines]
    assert not [path for path in paths for text in (page, report, json.dumps(found)) if Path(path).stem in text]


def test_a_difference_of_sums_is_one_patient_without_the_account(run_of: RunOf) -> None:
    found = attacked(run_of("strategy=exact", "strategy.weakest=0.01"), "updates", "differencing")
    assert found["updates"].tried and found["updates"].figures["messages"] > 1
    differing = found["differencing"].figures
    assert differing["plain"] > 0.99 and (differing["apart"] == "refused" or int(str(differing["apart"])) != 1)


def test_a_private_run_in_secure_sums(run_of: RunOf) -> None:
    words = ("privacy=record", "privacy.steps=8", "strategy.precision=float64", "aggregation=secure", "data.sites=3")
    folder = run_of(*words, "data.val_fraction=0", "data.test_fraction=0.2", "rounds=2")
    found = attacked(folder, "updates", "canaries", "reconstruction", "differencing")
    assert not found["updates"].tried and "the coordinator saw only sums over the hospitals" in found["updates"].said[0]
    shown = found["canaries"].figures
    assert (
        shown["epsilon"] <= shown["accounted"] == 3.0 and shown["holds"] and "as promised" in found["canaries"].said[1]
    )
    assert abs(found["reconstruction"].figures["1x1 with the plan's noise"]["correlation"]) < 0.5
    assert found["reconstruction"].figures["1x1"]["correlation"] > 0.99
    assert abs(found["differencing"].figures["noise"]) < 0.5 < found["differencing"].figures["plain"]
    assert "epsilon 3 with delta 1e-05" in (folder / "audit.html").read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("head=mlp",), "the head is not one linear layer"),
        (("backbone.freeze=all", "adaptation=ssf"), "more is trained than a head on kept features"),
        (("augment=mild",), "cases have not one class and one view each"),
    ],
)
def test_what_has_no_shadows_is_said_by_name(run_of: RunOf, words: tuple[str, ...], why: str) -> None:
    found = attacked(run_of(*words), "membership", "updates", "reconstruction", "differencing")
    assert not any(one.tried for one in found.values())
    assert all(why in one.said[0] for one in found.values())


def test_a_deep_graft_of_noisy_steps_is_attacked_by_confidence(run_of: RunOf) -> None:
    folder = run_of(
        "privacy=record_trained",
        "privacy.steps=2",
        "rounds=1",
        "backbone.freeze=all",
        "adaptation=ssf",
        "data.cases=60",
    )
    found = attacked(folder, "membership", "confidence", "canaries")
    assert [found[name].tried for name in ("membership", "confidence", "canaries")] == [False, True, False]
    assert "trained by noisy steps of their own" in found["membership"].said[0]
    assert "told sums once, or trained more than that" in found["canaries"].said[0]
    shown = found["confidence"].figures["released"]
    assert shown["members"] + shown["others"] == 120 and 0.3 < shown["auroc"] < 0.7


def test_a_head_of_noisy_steps_is_audited_with_made_up_patients(run_of: RunOf) -> None:
    folder = run_of("privacy=record_trained", "privacy.steps=4", "privacy.sampled=0.5", "rounds=2", "data.cases=60")
    found = attacked(folder, "membership", "canaries")
    assert [found[name].tried for name in ("membership", "canaries")] == [False, True]
    shown, said = found["canaries"].figures, found["canaries"].said
    assert (
        "in each of 4 steps of one hospital, with 0.5 of the patients in each; it tells the head after every 2"
        in said[0]
    )
    assert shown["epsilon"] <= shown["accounted"] == 3.0 and shown["holds"] and "as promised" in said[1]


def test_hospitals_own_models_are_attacked_beside_the_shared_one(run_of: RunOf) -> None:
    found = attacked(run_of("personal=ditto"), "membership", "confidence")
    assert found["membership"].tried
    assert any("what hospitals keep for themselves is left out" in one for one in found["membership"].said)
    released, own = (found["confidence"].figures[name] for name in ("released", "own"))
    assert released["auroc"] != own["auroc"] and released["members"] == own["members"]
    assert "Of hospitals' own models, each at its hospital: " in found["confidence"].said[1]


def test_how_sure_a_model_is_by_hand() -> None:
    """Log odds of the own class of (1, 0, 0): 1 - log 2, and 0 - log(1 + e)."""
    outputs = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    assert sureness(outputs, torch.tensor([0, 1])).tolist() == pytest.approx([1 - log(2), -log(1 + exp(1))])


def test_a_head_of_which_a_part_stays_at_each_hospital_has_own_models_only(run_of: RunOf) -> None:
    found = attacked(run_of("personal=intercept"), "membership", "confidence")
    assert not found["membership"].tried and "head.bias never leaves a hospital" in found["membership"].said[0]
    assert set(found["confidence"].figures) == {"own"}


def test_without_others_the_released_head_is_not_attacked(run_of: RunOf) -> None:
    folder = run_of("data.val_fraction=0", "data.test_fraction=0.1")
    found = attacked(folder, "membership", "updates")
    assert any("The released head itself was not attacked" in one for one in found["membership"].said)
    assert found["membership"].figures["released"] is None and found["membership"].figures["shadows"] is not None
    assert "simulate with data.val_fraction=0.15" in found["updates"].said[0]


def test_wrong_words_and_folders_are_refused(run_of: RunOf, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is no attack 'guess'; there are membership, confidence, updates"):
        attacked(run_of(), "guess")
    with pytest.raises(PlanError, match="3 shadow heads are too few"):
        attacked(run_of(), "membership", shadows=3)
    with pytest.raises(DataError, match="is no folder"):
        attacked(tmp_path / "nowhere", "membership")
    folder = tmp_path / "deployed"
    folder.mkdir()
    for name in ("summary.json", "plan.yaml"):
        (folder / name).write_bytes((run_of() / name).read_bytes())
    with pytest.raises(DataError, match="an audit is for the folder of a simulation, by whoever ran it"):
        attacked(folder, "membership")
