"""`fedgraft export --site`: the file holds a site's own part of the model, here the scale of its features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import fedgraft as fg
from fedgraft.common.cli import main


def test_the_own_scale_of_a_site_is_inside(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = fg.plan(
        "features=taps",
        backbone="timm",
        backbone__name="test_efficientnet",
        backbone__pretrained=False,
        data={"image_size": 32, "sites": 2, "cases": 40, "size": 64},
        features__scale="own",
        rounds=1,
        train__epochs=1,
        engine__threads=1,
    )
    run, out = fg.simulate(plan, tmp_path / "run", quiet=True), tmp_path / "alder.onnx"
    words = ["export", str(run.out), "--format", "onnx", "--out", str(out)]
    assert main(words) == 2
    assert "each site scales this model's features by moments of its own cases (features.scale=own)" in (
        capsys.readouterr().err
    )
    assert main([*words, "--site", "alder"]) == 0
    assert "it holds the part of the model that stays at alder: keep it at this site" in capsys.readouterr().out
    grey = np.random.default_rng(0).random((3, 50, 40), np.float32)
    planes = grey[:, None].repeat(plan.backbone.channels or 1, axis=1)
    session = onnxruntime.InferenceSession(out.read_bytes(), providers=["CPUExecutionProvider"])
    (raw,) = session.run(["raw"], {"images": planes})
    found = {site: fg.load_model(run.out, site=site).predict([*grey])["raw_lesion"] for site in ("alder", "birch")}
    assert raw[:, 1] == pytest.approx([float(one) for one in found["alder"]], abs=1e-4)
    assert np.abs(raw[:, 1] - np.array(found["birch"], float)).max() > 1e-3
