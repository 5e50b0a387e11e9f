"""``fedgraft site report``: figures of a few cases worked out by hand, single cases by name, and nothing made up."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedgraft.client.cli import main
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.own_report.command import groups_of
from fedgraft.client.own_report.figures import doubts, figures_of, judged, wrong_and_sure
from fedgraft.client.own_report.own_cases import read_own_cases
from fedgraft.client.site.own_tensors import note_evaluated
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.drawing.markup import Html, words
from fedgraft.common.errors import DataError, ModelError, PlanError, SiteFileError
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
FINDINGS = ("data.task=multilabel", "data.classes=[a,b]", "loss=binary_cross_entropy")
SURVIVAL = ("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none")
VAL = [("healthy", -1.0), ("healthy", -0.5), ("lesion", 0.5), ("lesion", 2.0)]
TEST = [("healthy", -2.0), ("healthy", 1.5), ("lesion", 0.4), ("lesion", 0.6), ("lesion", -3.0), ("healthy", 0.1)]
SEXES = ["F", "M"] * 5


def site_with(folder: Path, plan: Plan, header: str, lines: list[str], manifest: str) -> SiteFile:
    """A site that has evaluated a model; in ``lines`` ``{3}`` is the name of the manifest's third case."""
    (folder / "manifest.csv").write_text(manifest, encoding="utf-8")
    site = SiteFile("north", folder / "manifest.csv", folder / "state")
    write_site_file(folder / "site.yaml", site)
    (site.state / "plans").mkdir(parents=True)
    (site.state / "plans" / f"{plan.digest}.json").write_text(f"backbone\n{plan.to_json()}", encoding="utf-8")
    note_evaluated(site.state, plan.digest, 1, "shared")
    names = [Pseudonyms(site.state).name(case) for case in read_manifest(site.manifest)]
    text = "\n".join([header, *(line.format(*names) for line in lines)])
    (site.state / "predictions.csv").write_text(f"{text}\n", encoding="utf-8")
    return site


@pytest.fixture
def site(tmp_path: Path, compose_plan: PlanOf) -> SiteFile:
    plan = compose_plan("data.classes=[healthy,lesion]")
    cases = [("val", *one) for one in VAL] + [("test", *one) for one in TEST]
    lines = [f"{split},{{{k}}},{label},{odds}" for k, (split, label, odds) in enumerate(cases)]
    listed = [f"{k}.png,{label},mueller-{k},{SEXES[k]}" for k, (_, label, _) in enumerate(cases)]
    manifest = "\n".join(["path,label,patient,sex", *listed])
    return site_with(tmp_path, plan, "split,case,label,log_odds_lesion", lines, manifest)


def report(site: SiteFile, *options: str) -> str:
    """The words of the page that the command writes."""
    assert main(["report", "--site", str(site.manifest.parent / "site.yaml"), *options]) == 0
    page = site.state / "report.html"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    return words(Html(page.read_text(encoding="utf-8").replace("</t", " </t").split("</style>")[1]))


def test_figures_are_those_of_the_cases(site: SiteFile) -> None:
    own = read_own_cases(site)
    rules = judged(own, "north", None)
    one = figures_of(own, rules, own.of("test"), 0)
    labels, odds = [label == "lesion" for label, _ in TEST], [value for _, value in TEST]
    assert one["auroc"][0] == pytest.approx(roc_auc_score(labels, odds), abs=1e-6)
    # validation cases are told apart from somewhere between -0.5 and 0.5 on
    (cut,) = rules.cuts
    assert cut is not None and -0.5 < cut <= 0.5 + 0.01
    called = np.array(odds) >= cut
    sick = np.array(labels)
    assert one["sensitivity"]["value"] == pytest.approx(called[sick].mean())
    assert one["specificity"]["value"] == pytest.approx((~called[~sick]).mean())
    assert (one["cases"], one["prevalence"]) == (6, 0.5)


def test_single_cases_are_named_by_doubt_and_by_error(site: SiteFile) -> None:
    own = read_own_cases(site)
    rules = judged(own, "north", None)
    near, wrong = doubts(own, rules), wrong_and_sure(own, rules)
    assert len(near) == 10 and [one.distance for one in near] == sorted(one.distance for one in near)
    name = Pseudonyms(site.state).name
    cases = read_manifest(site.manifest)
    assert (wrong[0].name, wrong[0].probability) == (name(cases[8]), pytest.approx(1 / (1 + np.exp(3.0))))
    assert {one.name for one in wrong} >= {name(cases[8]), name(cases[5])}


def test_groups_are_of_any_column_however_small(site: SiteFile) -> None:
    own = read_own_cases(site)
    columns, unlisted = groups_of(own, site)
    assert columns == {"sex": {"F": [4, 6, 8], "M": [5, 7, 9]}} and unlisted == 0
    site.manifest.write_text(site.manifest.read_text(encoding="utf-8").replace("4.png", "moved.png"), encoding="utf-8")
    assert groups_of(own, site) == ({"sex": {"F": [6, 8], "M": [5, 7, 9]}}, 1)
    told = report(site)
    assert "1 of the cases are not in the manifest as it is now, and left out." in told


def test_the_page_is_private_loads_nothing_and_says_what_it_rests_on(site: SiteFile, tmp_path: Path) -> None:
    told = report(site)
    assert "This page must stay at the hospital." in told and "On 6 test cases of this hospital." in told
    assert "chosen on this hospital's own validation cases (youden)" in told and "not calibrated" in told
    assert Pseudonyms(site.state).name(read_manifest(site.manifest)[8]) in told and "AUROC by sex" in told
    text = (site.state / "report.html").read_text(encoding="utf-8")
    assert "default-src" in text and "<script" not in text and ".png" not in text and "mueller" not in text
    with pytest.raises(SiteFileError, match="name another place by --page"):
        report(site, "--page", str(site.manifest / "page.html"))


def test_findings_that_are_unknown_are_left_out(tmp_path: Path, compose_plan: PlanOf) -> None:
    lines = ["test,{0},1,,0.5,1.0", "test,{1},0,,-0.5,1.0", "test,{2},,,3.0,-2.0"]
    manifest = "path,patient,a,b\n0.png,p0,1,\n1.png,p1,0,\n2.png,p2,,\n"
    site = site_with(tmp_path, compose_plan(*FINDINGS), "split,case,a,b,log_odds_a,log_odds_b", lines, manifest)
    own = read_own_cases(site)
    found = [figures_of(own, judged(own, "north", None), own.of("test"), place) for place in (0, 1)]
    assert [(one["cases"], one["prevalence"], one["auroc"]) for one in found] == [(2, 0.5, None), (0, None, None)]
    told = report(site)
    assert "not known: there are no validation cases of both sides" in told and "None: there is no threshold." in told


def test_survival_has_its_headline_figure(tmp_path: Path, compose_plan: PlanOf) -> None:
    # later deaths have lower hazards, but for one pair of the three that can be compared
    lines = ["test,{0},1,1,2.0", "test,{1},2,1,0.0", "test,{2},3,0,1.0"]
    manifest = "path,patient,time,event,sex\n0.png,p0,1,1,F\n1.png,p1,2,1,M\n2.png,p2,3,0,F\n"
    site = site_with(tmp_path, compose_plan(*SURVIVAL), "split,case,time,event,log_hazard", lines, manifest)
    assert "test 3 67 % 0.667" in report(site)


def test_what_is_missing_or_does_not_fit_is_said(site: SiteFile, tmp_path: Path) -> None:
    page, models = site.state / "predictions.csv", site.state / "models.jsonl"
    whole = page.read_text(encoding="utf-8")
    with pytest.raises(ModelError, match="holds no model"):
        report(site, "--model", str(tmp_path))
    page.write_text(whole.replace("-3.0", "low"), encoding="utf-8")
    with pytest.raises(DataError, match="a score in it is no number"):
        report(site)
    page.write_text(whole.replace("log_odds_lesion", "log_odds_other"), encoding="utf-8")
    with pytest.raises(DataError, match="is not of the plan that was evaluated last"):
        report(site)
    page.write_text(whole, encoding="utf-8")
    (plan,) = (site.state / "plans").iterdir()
    plan.unlink()
    with pytest.raises(PlanError, match="the plan of the last evaluation is not at this site any more"):
        report(site)
    assert json.loads(models.read_text(encoding="utf-8"))["run"] == 1
    models.unlink()
    with pytest.raises(DataError, match="this site has evaluated no model yet"):
        report(site)
