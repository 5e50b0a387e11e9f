"""A head that weighs windows, from notes to a prediction, in the ways in which other heads are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import fedgraft as fg
from fedgraft.common.cli import main

pytestmark = pytest.mark.usefixtures("own_cache")

Words = Callable[..., tuple[str, ...]]
FILL = "heart size normal . " * 3
OWN = ("features=windows", "features.most=3", "head=attention", "head.hidden=4", "train=adamw", "train.lr=0.03")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """80 notes of three hospitals: an ill one speaks of pain at one place among many words."""
    lines = ["text,label,patient,hospital"]
    for at in range(80):
        found = "pain . pain . pain ." if at % 2 else "no pleural effusion ."
        parts = [FILL, found, FILL] if at % 4 < 2 else [found, FILL]
        lines.append(
            f"{' '.join(parts)} seen {at},{('clear', 'ill')[at % 2]},p{at},{('north', 'south', 'west')[at % 3]}"
        )
    path = tmp_path / "notes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(notes: Path, out: Path, *words: str) -> fg.Run:
    own = ("data=manifest", f"data.path={notes}", "data.site=hospital", "data.image_size=null", "engine.threads=1")
    return fg.simulate(fg.plan(*own, *words), out, quiet=True)


def test_from_notes_to_a_prediction_and_what_it_rests_on(notes: Path, tmp_path: Path, of_encoder: Words) -> None:
    done = run(notes, tmp_path / "run", *of_encoder(*OWN, "rounds=4", "train.epochs=5"))
    assert done.summary["test"]["auroc"] > 0.9
    model = fg.load_model(tmp_path / "run" / "model")
    found = model.predict([{"text": f"{FILL} pain . pain . {FILL}"}, {"text": f"{FILL} no effusion . {FILL}"}])
    assert found["raw_ill"].iloc[0] > 0.9 and found["raw_ill"].iloc[1] < 0.1
    (tmp_path / "new.csv").write_text(f"text\n{FILL} pain . {FILL}\n", encoding="utf-8")
    given = ("--manifest", str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv"))
    assert main(["predict", str(tmp_path / "run" / "model"), *given, "--explain", str(tmp_path / "why")]) == 0
    assert [path.name for path in (tmp_path / "why").iterdir()] == ["line-00002.png"]


@pytest.mark.parametrize(
    "words",
    [
        ("aggregation=secure",),
        ("privacy=record_trained", "data.val_fraction=0", "features.scale=case"),
        ("adaptation=ssf",),
        ("personal=finetune",),
        ("features.scale=own", "strategy=fedprox"),
    ],
    ids=lambda words: words[0],
)
def test_other_ways_of_training(notes: Path, tmp_path: Path, of_encoder: Words, words: tuple[str, ...]) -> None:
    run(notes, tmp_path / "run", *of_encoder(*OWN, "rounds=1", "train.epochs=1", *words))
    from safetensors.torch import load_file

    trained = load_file(tmp_path / "run" / "shared.safetensors")
    assert bool((trained["head.output.weight"] != 0).any())
    assert all(bool(torch.isfinite(tensor).all()) for tensor in trained.values())
