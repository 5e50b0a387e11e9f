"""`fedgraft export`: what the file computes is what the model computes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import fedgraft as fg
from fedgraft.client.export.torchscript_file import ABOUT
from fedgraft.common.calibration.maps import Map
from fedgraft.common.cli import main
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
Trained = Callable[..., Path]
LITE0 = ("backbone.name=test_efficientnet",)
VIT = ("backbone.name=test_vit", "data.image_size=160", "backbone.channels=3")
SEVERAL = (
    "features.networks=[{name: test_efficientnet, size: 40, pretrained: false}, "
    "{name: test_vit, size: 32, pretrained: false}]",
    "data.image_size=null",
    "backbone.pretrained=true",
)


def answers(file: Path, cases: np.ndarray) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: cases}), strict=True))


def scripted(file: Path, about: dict[str, str] | None = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.load(file, _extra_files=about)


def said(file: Path) -> dict[str, str]:
    return {one.key: one.value for one in onnx.load(file).metadata_props}


@pytest.mark.parametrize(
    "options",
    [
        (*LITE0, "adaptation=ssf", "backbone.channels=1"),
        (*LITE0, "features=taps", "features.statistics=[mean,deviation,maximum,quadrants]", "head=mlp"),
        (*VIT, "adaptation=lora", "head=cosine"),
        SEVERAL,
    ],
    ids=["cnn-ssf", "taps", "vit-lora", "several"],
)
def test_an_onnx_file_of_images_predicts_as_fedgraft_does(
    tmp_path: Path, compose_plan: Composer, trained: Trained, options: tuple[str, ...]
) -> None:
    folder = trained(compose_plan(*options), Map(0.7, -0.3, prevalence=0.4))
    out = tmp_path / "model.onnx"
    assert main(["export", str(folder), "--format", "onnx", "--out", str(out)]) == 0
    grey = np.random.default_rng(0).random((3, 45, 70), np.float32)
    found = fg.load_model(folder).predict([*grey])
    planes = onnx.load(out).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    ours = answers(out, np.repeat(grey[:, None], planes, axis=1))
    classes = json.loads(said(out)["fedgraft.classes"])
    for kind in ("raw", "calibrated"):
        expected = np.array([[float(value) for value in found[f"{kind}_{name}"]] for name in classes]).T
        assert ours[kind] == pytest.approx(expected, abs=1e-4)
    assert np.ptp(ours["raw"]) > 0.01


def test_without_a_calibration_a_harmonised_model_takes_harmonised_images_of_its_size(
    tmp_path: Path, compose_plan: Composer, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = compose_plan(*LITE0, "harmonise=histogram", f"harmonise.reference={[k / 32 for k in range(33)]}")
    folder, out = trained(plan), tmp_path / "m.onnx"
    assert main(["export", str(folder), "--format", "onnx", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "`images` in, `outputs`, `raw` out" in told
    assert "on random cases: they differ by" in told
    assert "calibration: none; probabilities are the raw ones" in told
    assert "resize: outside: the images must be 32 x 32 and harmonised already" in told
    assert said(out)["fedgraft.input.resize"].startswith("outside")


@pytest.mark.parametrize("options", [(*LITE0, "adaptation=ssf"), (*VIT, "adaptation=lora", "head=cosine"), SEVERAL])
def test_a_torchscript_file_predicts_as_fedgraft_does_and_says_what_it_takes(
    tmp_path: Path, compose_plan: Composer, trained: Trained, options: tuple[str, ...]
) -> None:
    folder = trained(compose_plan(*options, "backbone.channels=3"), Map(0.7, -0.3, prevalence=0.4))
    out = tmp_path / "model.pt"
    assert main(["export", str(folder), "--format", "torchscript", "--prevalence", "0.2", "--out", str(out)]) == 0
    grey = np.random.default_rng(0).random((3, 45, 70), np.float32)
    about = {ABOUT: ""}
    written = scripted(out, about)
    told = json.loads(about[ABOUT])
    assert told["prevalence"] == "0.2"
    _, raw, calibrated = written(torch.from_numpy(grey)[:, None].expand(-1, 3, -1, -1))
    found = fg.load_model(folder).predict([*grey], prevalence=0.2)
    for kind, ours in (("raw", raw), ("calibrated", calibrated)):
        expected = [[float(value) for value in found[f"{kind}_{name}"]] for name in json.loads(told["classes"])]
        probabilities = ours.numpy().T
        assert probabilities == pytest.approx(np.array(expected), abs=1e-4)


@pytest.mark.parametrize("backbone", ["identity", "mlp"])
def test_a_file_of_a_table_takes_its_own_units(
    tmp_path: Path, compose_plan: Composer, trained: Trained, backbone: str
) -> None:
    table = (
        "{numeric: [age, pressure], categorical: [sex], indicate_missing: true, statistics: plan, missing: [], "
        "min_count: 1, means: {age: 60, pressure: 130}, deviations: {age: 10, pressure: 20}, vocabulary: {sex: [f, m]}}"
    )
    plan = compose_plan(f"backbone={backbone}", "data.image_size=null", f"+table={table}", small=False)
    folder, out, script = trained(plan, Map(0.5, 1.0, prevalence=0.5)), tmp_path / "m.onnx", tmp_path / "m.pt"
    assert main(["export", str(folder), "--format", "onnx", "--out", str(out)]) == 0
    assert main(["export", str(folder), "--format", "torchscript", "--out", str(script)]) == 0
    rows = [
        {"age": "71", "pressure": "145", "sex": "m"},
        {"age": "", "pressure": "99", "sex": "f"},
        {"age": "50", "pressure": "120", "sex": "x"},
    ]
    found = fg.load_model(folder).predict(rows)
    numbers = np.array([[71, 145, 2], [np.nan, 99, 1], [50, 120, 0]])
    ours = answers(out, numbers)
    name = plan.data.classes[1]
    assert ours["calibrated"][:, 1] == pytest.approx([float(p) for p in found[f"calibrated_{name}"]], abs=1e-5)
    assert scripted(script)(torch.from_numpy(numbers))[2].numpy() == pytest.approx(ours["calibrated"], abs=1e-6)
    assert json.loads(said(out)["fedgraft.input.vocabulary"]) == {"sex": ["f", "m"]}
