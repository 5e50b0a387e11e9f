"""A site's own report after a run: with the model's folder its figures are those that the run tells of the site."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgraft.client.own_report.command import write_site_report
from fedgraft.client.own_report.figures import figures_of, judged
from fedgraft.client.own_report.own_cases import read_own_cases
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import ModelError

from .test_predict import SMALL, run_of


def test_its_figures_are_the_summarys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    cases = {"data": {**SMALL["data"], "test": "sites", "test_fraction": 0.4}}
    run, other = (run_of(tmp_path / name, **cases, seed=seed) for name, seed in (("run", 0), ("other", 1)))
    summary = json.loads((run.out / "summary.json").read_text(encoding="utf-8"))
    name = next(iter(summary["sites"]))
    site = read_site_file(run.out / "sites" / name / "site.yaml")
    own = read_own_cases(site)
    one = figures_of(own, judged(own, name, run.out), own.of("test"), 0)
    (scored,) = summary["decisions"]["thresholds"]
    chosen = summary["decisions"]["thresholds"][scored]["chosen"]["sites"][name]
    assert one["cases"] == summary["sites"][name]["cases"]
    assert one["auroc"][0] == pytest.approx(summary["sites"][name]["auroc"], abs=1e-6)
    assert {key: one[key] for key in ("sensitivity", "specificity", "ppv", "npv")} == {
        key: chosen[key] for key in ("sensitivity", "specificity", "ppv", "npv")
    }
    assert one["intercept"][0] == pytest.approx(
        summary["calibration"]["by_site"][name]["after"]["classes"][scored]["intercept"], abs=1e-6
    )
    assert "those that come with the model" in write_site_report(site, run.out, None).read_text(encoding="utf-8")
    with pytest.raises(ModelError, match="is not the model that this site evaluated last"):
        write_site_report(site, other.out, None)
