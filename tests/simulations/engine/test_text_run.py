"""Notes from one command to a prediction and what it rests on; a tiny encoder, and hashed words."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import fedgraft as fg
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.common.cli import main

pytestmark = pytest.mark.usefixtures("own_cache")

Words = Callable[..., tuple[str, ...]]
CALM, ILL = "heart size normal . no pleural effusion .", "pain . pleural effusion . heart size normal ."
EXACT = ("strategy=exact", "rounds=2", "head=plain", "engine.threads=1", "data.val_fraction=0.2", "select=best")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """60 notes of two hospitals in the manifest itself, one of which is empty."""
    lines = ["text,label,patient,hospital"]
    for at in range(60):
        text = "..." if at == 7 else f"{(CALM, ILL)[at % 2]} {'normal ' * (at % 5)}seen {at}"
        lines.append(f"{text},{('clear', 'ill')[at % 2]},p{at},{('north', 'south')[at // 30]}")
    path = tmp_path / "notes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(notes: Path, out: Path, *words: str) -> fg.Run:
    own = ("data=manifest", f"data.path={notes}", "data.site=hospital", "data.image_size=null", "loss.weights=none")
    return fg.simulate(fg.plan(*own, *words, *EXACT), out, quiet=True)


def test_from_notes_to_a_prediction_and_the_words_that_it_rests_on(
    notes: Path, tmp_path: Path, of_encoder: Words
) -> None:
    words = of_encoder("features=taps_hashed", "features.buckets=64")
    done = run(notes, tmp_path / "run", *words)
    assert done.summary["test"]["auroc"] == 1.0
    assert "empty 1" in str(done.summary) or "'empty': 1" in str(done.summary)
    model = fg.load_model(tmp_path / "run" / "model")
    found = model.predict([{"text": ILL}, {"text": CALM}])
    assert [str(one) for one in found["predicted"]] == ["ill", "clear"]
    (tmp_path / "new.csv").write_text(f"text\n{ILL}\n{CALM}\n...\n", encoding="utf-8")
    given = ("--manifest", str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv"))
    assert (
        main(["predict", str(tmp_path / "run" / "model"), *given, "--explain", str(tmp_path / "why")]) == 1
    )  # one could not be used
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["reason"] for line in lines] == ["", "", "empty"]
    assert float(lines[0]["raw_ill"]) == pytest.approx(float(found["raw_ill"].iloc[0]), abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "why").iterdir()) == ["line-00002.png", "line-00003.png"]


def test_the_encoder_runs_once_and_equal_notes_are_kept_once(
    notes: Path, tmp_path: Path, of_encoder: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    compute = FeatureExtractor._compute

    def counted(self: FeatureExtractor, wanted: object, pieces: object) -> object:
        computed.append(len(wanted))  # type: ignore[arg-type]
        return compute(self, wanted, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(FeatureExtractor, "_compute", counted)
    words = of_encoder("features=taps", "features.statistics=[mean]")
    run(notes, tmp_path / "one", *words)
    assert sum(computed) == 59
    run(notes, tmp_path / "two", *words, "strategy.weakest=0.5")
    assert sum(computed) == 59


def test_layers_of_the_encoder_are_adapted_at_two_hospitals(notes: Path, tmp_path: Path, of_encoder: Words) -> None:
    own = ("data=manifest", f"data.path={notes}", "data.site=hospital", "data.image_size=null", "loss.weights=none")
    words = (*own, *of_encoder("adaptation=ssf", "rounds=2", "train.epochs=2", "train.lr=0.1", "engine.threads=1"))
    done = fg.simulate(fg.plan(*words), tmp_path / "run", quiet=True)
    state = done.model().state_dict() if hasattr(done.model(), "state_dict") else {}
    changed = [name for name, tensor in state.items() if name.endswith(".scale") and bool((tensor != 1).any())]
    assert len(changed) == 3
    assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in state.values())
