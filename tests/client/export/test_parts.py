"""The parts of an exported file in torch: calibration, resizing; timm's files; and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import timm
import torch

from fedgraft.client.export.calibrated import Calibrated
from fedgraft.client.export.checked import require_equal
from fedgraft.client.export.onnx_file import write_onnx
from fedgraft.client.export.torchscript_file import write_torchscript
from fedgraft.client.export.whole import whole_of
from fedgraft.client.images.preparation import preparation_of
from fedgraft.client.prediction.loading import Call, load
from fedgraft.client.site.machine import choose
from fedgraft.common.calibration.maps import Map
from fedgraft.common.cli import main
from fedgraft.common.errors import ModelError
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel

Composer = Callable[..., Plan]
Trained = Callable[..., Path]
PLAIN = ("backbone.name=test_efficientnet", "head.normalise=false")
KNOTS = ((-3.0, -2.0), (-0.5, -1.0), (0.5, 0.25), (4.0, 1.5))


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *options: str, form: str = "safetensors") -> str:
    out = folder.parent / "file"
    assert main(["export", str(folder), "--format", form, "--out", str(out), *options]) == 2
    assert not out.exists()
    return capsys.readouterr().err


def test_calibrated_log_odds_are_those_of_the_maps() -> None:
    maps = (Map(1.2, 0.1, KNOTS, prevalence=0.3), Map(0.5, -1.0))
    scores = np.random.default_rng(0).normal(0, 4, (200, 2))
    found = Calibrated(maps)(torch.from_numpy(scores).float()).numpy()
    assert found == pytest.approx(np.stack([one(scores[:, k]) for k, one in enumerate(maps)], axis=1), abs=1e-5)


@pytest.mark.parametrize("task", [Classification(("a", "b")), Classification(("a", "b", "c")), Multilabel(("x", "y"))])
def test_scores_in_torch_are_those_of_the_task(task: Classification | Multilabel) -> None:
    outputs = np.random.default_rng(0).normal(0, 5, (50, task.outputs))
    scores = task.log_odds(torch.from_numpy(outputs))
    assert scores.numpy() == pytest.approx(task.scores(outputs))
    assert task.shares(scores / 2).numpy() == pytest.approx(task.probabilities(scores.numpy() / 2))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_are_resized_as_at_a_site(interpolation: str, channels: int) -> None:
    """Within a step of the 16 bits in which a site keeps pixels."""
    spec = ImageSpec(channels, 24, (0.5,) * channels, (0.25,) * channels, interpolation)
    preparation = preparation_of(spec, None)
    for size in ((24, 24), (301, 57), (13, 24), (7, 900)):
        images = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(1))
        found, ours = preparation.module(images), preparation.ours(images)
        assert found.shape == (2, channels, 24, 24)
        assert (found - ours).abs().max() < 2 / 65535 / 0.25


def test_calibration_of_a_site_and_at_a_prevalence(compose_plan: Composer, trained: Trained) -> None:
    own = Map(1.2, 0.1, KNOTS, prevalence=0.3)
    folder = open_model(trained(compose_plan(*PLAIN), own))
    loaded = load(folder, Call("x", "y"), None, OURS, choose("cpu", 1), scale_from_cases=False)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for of, prevalence in ((own, None), (own.at(0.02), 0.02)):
        whole = whole_of(loaded, prevalence)
        outputs, _, calibrated = whole.module(images)
        score = (outputs[:, 1] - outputs[:, 0]).double().numpy()
        assert calibrated[:, 1].numpy() == pytest.approx(1 / (1 + np.exp(-of(score))), abs=1e-5)
        assert require_equal(whole, whole.names, whole.module, "this") < 1e-4


def test_a_file_with_other_answers_is_not_written(compose_plan: Composer, trained: Trained) -> None:
    folder = open_model(trained(compose_plan(*PLAIN)))
    whole = whole_of(load(folder, Call("x", "y"), None, OURS, choose("cpu", 1), scale_from_cases=False))
    with pytest.raises(
        ModelError, match=r"the file is not written: on random cases of shape \(2, 3, 32, 32\) its `raw`"
    ):
        require_equal(whole, ("raw",), lambda cases: [whole.ours(cases)[1] + 0.001], "the file")


def test_timm_loads_the_safetensors_file(
    compose_plan: Composer, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = trained(compose_plan(*PLAIN), Map()), tmp_path / "timm.safetensors"
    assert main(["export", str(folder), "--format", "safetensors", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "timm.create_model('test_efficientnet', num_classes=2, in_chans=3, checkpoint_path=...)" in told
    assert "no probability in it is calibrated" in told
    network = timm.create_model("test_efficientnet", num_classes=2, in_chans=3, checkpoint_path=str(out)).eval()
    loaded = load(open_model(folder), Call("x", "y"), None, OURS, choose("cpu", 1), scale_from_cases=False)
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(network(images), loaded.model.network(images), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("adaptation=ssf",), "it has adaptation layers beside the backbone"),
        (("features=taps",), "the head reads features of several depths"),
        (("features.scale=common",), r"features are scaled or left out before the head (features.scale=common)"),
        (("head=mlp",), "its head (MLP) is not one linear layer"),
        (("head.normalise=true",), "its head normalises the features of each case"),
    ],
)
def test_what_timm_can_t_load_is_named(
    compose_plan: Composer,
    trained: Trained,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    why: str,
) -> None:
    own = [word for word in PLAIN if not (word.startswith("head.") and any("head" in one for one in options))]
    told = refused(capsys, trained(compose_plan(*own, *options)))
    assert f"the safetensors file is not written: {why}, which timm can't load; --format onnx takes" in told


def test_other_refusals(
    compose_plan: Composer, trained: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="2"):
        refused(capsys, tmp_path, "--prevalence", "0.1")
    assert "--prevalence has no effect with --format safetensors" in capsys.readouterr().err
    plain = trained(compose_plan(*PLAIN))
    assert "a prevalence has no effect: this model has no calibration" in refused(
        capsys, plain, "--prevalence", "0.1", form="onnx"
    )
    out = tmp_path / "there"
    out.write_bytes(b"")
    assert main(["export", str(plain), "--format", "onnx", "--out", str(out)]) == 2
    assert "exists and is not overwritten; name another file, or add --force" in capsys.readouterr().err
    views = trained(compose_plan(*PLAIN, "augment.views=3", "augment.rotate=10", "augment.average=true"))
    assert "augment.average=true: the model's answer is the mean over 3 views" in refused(capsys, views, form="onnx")


def test_without_the_extra_onnx_is_refused_by_its_name(
    compose_plan: Composer, trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    told = refused(capsys, trained(compose_plan(*PLAIN)), form="onnx")
    assert "--format onnx needs the extra `export`: pip install 'fedgraft[export]'" in told


class _Undecided(torch.nn.Module):
    def forward(self, cases: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise ValueError(f"no way for {cases.ndim} axes")


@pytest.mark.parametrize("write", [write_onnx, write_torchscript])
def test_a_network_that_torch_cannot_write_is_refused(
    tmp_path: Path, compose_plan: Composer, trained: Trained, write: Callable[..., float]
) -> None:
    folder = open_model(trained(compose_plan(*PLAIN)))
    loaded = load(folder, Call("x", "y"), None, OURS, choose("cpu", 1), scale_from_cases=False)
    undecided = replace(whole_of(loaded), module=cast(Any, _Undecided()))
    with pytest.raises(ModelError, match=r"torch can't (export|trace) this network to"):
        write(tmp_path / "file", undecided, {})
    assert not (tmp_path / "file").exists()
