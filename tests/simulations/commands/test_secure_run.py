"""A whole run in secure sums, with its report: as the same run in the clear, but for figures of single hospitals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fedgraft.common import tensors
from fedgraft.common.cli import main

from . import test_command

SMALL = (*test_command.SMALL, "data.sites=3")
PLAIN = ("calibration.by_site=false", "decide.by_site=pooled")


@pytest.fixture(autouse=True)
def _in_its_folder(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)


def test_a_run_in_secure_sums_is_that_in_the_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "aggregation=secure"]) == 0
    assert "in secure sums: of this the coordinator sees" in " ".join(capsys.readouterr().out.split())
    for name, words in (("clear", PLAIN), ("secure", ("aggregation=secure",))):
        assert main(["simulate", *SMALL, *words, f"hydra.run.dir={name}"]) == 0
    assert "no test figure of" not in capsys.readouterr().out
    clear, secure = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("clear", "secure"))
    one, other = (tensors.load(tmp_path / name / "shared.safetensors") for name in ("clear", "secure"))
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one) and one.keys() == other.keys()
    assert secure["test"]["cases"] == clear["test"]["cases"] > 0
    assert secure["test"]["auroc"] == pytest.approx(clear["test"]["auroc"], abs=0.03)  # joined bins, few cases
    assert set(secure["sites"]) == set(clear["sites"])
    assert all(site["cases"] == 0 and site["auroc"] is None for site in secure["sites"].values())
    assert clear["bytes"]["up"] + clear["bytes"]["down"] < secure["bytes"]["up"] + secure["bytes"]["down"]
    assert (tmp_path / "secure" / "report.html").is_file() and (tmp_path / "secure" / "model").is_dir()
    lines = [json.loads(line) for line in (tmp_path / "secure" / "rounds.jsonl").read_text().splitlines()]
    assert all(set(line["sites"]) <= {"all sites"} for line in lines)
