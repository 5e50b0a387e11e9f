"""Models of notes as files: hashed words are taken as they are counted; windows of tokens are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import fedgraft as fg
from fedgraft.client.text.factory import TextFactory
from fedgraft.client.text.hashing import Hasher
from fedgraft.common.calibration.maps import Map
from fedgraft.common.cli import main
from fedgraft.common.errors import ModelError
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.kinds.text import Text
from tests.conftest import Composer

from .conftest import Trained

NOTES = ["the patient has a fever and a cough", "a routine visit, the patient is well"]
HASHED = ("input=text", "data.image_size=null", "backbone=hashed_words", "features=last", "loss.weights=none")


def test_a_model_of_hashed_words_takes_their_counts(
    tmp_path: Path, compose_plan: Composer, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = compose_plan(*HASHED, small=False)
    folder, out, script = trained(plan, Map(0.7, -0.3, prevalence=0.4)), tmp_path / "m.onnx", tmp_path / "m.pt"
    assert main(["export", str(folder), "--format", "onnx", "--out", str(out)]) == 0
    assert (
        "the hashed words of a note as fedgraft.client.text.hashing.Hasher.numbers counts them"
        in capsys.readouterr().out
    )
    assert main(["export", str(folder), "--format", "torchscript", "--out", str(script)]) == 0
    kind = kind_of(plan, ("fedgraft",))
    assert isinstance(kind, Text)
    hashing = kind.spec().hashing
    assert hashing is not None
    counts = Hasher(hashing).numbers(NOTES)
    found = fg.load_model(folder).predict([{"text": note} for note in NOTES])
    expected = np.array([[float(value) for value in found[f"raw_{name}"]] for name in plan.data.classes]).T
    raw = onnxruntime.InferenceSession(out.read_bytes()).run(["raw"], {"counts": counts})[0]
    assert raw == pytest.approx(expected, abs=1e-5) and np.ptp(raw[:, 0]) > 1e-4
    with pytest.warns(FutureWarning, match="jit.load"):
        traced = torch.jit.load(str(script))
    assert traced(torch.from_numpy(counts))[1].numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("backbone", ["transformer", "wordllama"])
def test_windows_of_tokens_are_refused(compose_plan: Composer, backbone: str) -> None:
    plan = compose_plan("input=text", f"backbone={backbone}", "data.image_size=null", "loss.weights=none", small=False)
    kind = kind_of(plan, ("fedgraft",))
    with pytest.raises(ModelError, match=r"reads notes in windows can't be exported: its tokenizer.*hashed_words"):
        TextFactory().preparation(plan, kind, ("fedgraft",))
