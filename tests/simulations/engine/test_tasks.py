"""Findings and survival through the real client and server: command line -> sites -> rounds -> report."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.engine.display import site_table
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.engine.sureness import sureness

Run = Callable[..., dict[str, Any]]
SITES, EACH, SIDE = 3, 60, 32
FINDINGS = (
    "data.task=multilabel",
    "data.classes=[left,right,never]",
    "loss=binary_cross_entropy",
    "train.lr=0.1",
    "train.epochs=20",
)
SURVIVAL = (
    "data.task=survival",
    "data.classes=[]",
    "loss=cox",
    "train.batch_size=1000",
    "train.lr=0.1",
    "train.epochs=40",
)


def films(*, root: Path | None, cache: Path, seed: int, **_: Any) -> Source:
    """Noise with a bright patch on the left, on the right, on both sides or on none; the more, the sooner the event.

    ``left`` is unknown of every third case, ``right`` of all cases of the last site, ``never`` is never there.
    """
    rng = np.random.default_rng(0)
    number = SITES * EACH
    patches = rng.integers(2, size=(number, 2))
    images = rng.integers(0, 60, size=(number, SIDE, SIDE)).astype(np.uint8)
    images[:, 8:24, 4:14] += (180 * patches[:, 0])[:, None, None].astype(np.uint8)
    images[:, 8:24, 18:28] += (180 * patches[:, 1])[:, None, None].astype(np.uint8)
    file = cache / "films.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, images=images)
    times = np.ceil(20 * rng.exponential(np.exp(-1.5 * patches.sum(axis=1))) + 0.01)
    cases = tuple(
        Case(
            f"{file}::images",
            "",
            f"patient {n}",
            row=n,
            columns=(
                ("left", "" if n % 3 == 0 else str(patches[n, 0])),
                ("right", "" if n >= (SITES - 1) * EACH else str(patches[n, 1])),
                ("never", "0"),
                ("blank", ""),
                ("time", str(times[n])),
                ("event", str(int(n % 4 > 0))),
            ),
        )
        for n in range(number)
    )
    return Source(cases, tuple(f"site-{n // EACH + 1}" for n in range(number)))


@pytest.fixture
def run(
    compose_plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """A simulation over `films`, which takes the place of the phantom hospitals."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(films, "__module__", "fedgraft.simulations.datasets.phantom.phantom")
    monkeypatch.setattr("fedgraft.simulations.datasets.phantom.phantom.phantom", films)

    def go(*overrides: str, out: str = "run") -> dict[str, Any]:
        return simulate(compose_plan(*overrides), tmp_path / out, Console(file=StringIO()))

    return go


def shown(summary: dict[str, Any]) -> str:
    """The table's words, however its lines are broken."""
    console = Console(file=(text := StringIO()), width=120)
    console.print(site_table(summary))
    return " ".join(text.getvalue().split())


@pytest.mark.draws
def test_findings_with_missing_labels(run: Run, tmp_path: Path) -> None:
    summary = run(*FINDINGS)
    assert (summary["task"], summary["headline"]) == ("multilabel", "auroc")
    assert summary["dropped"] == []
    test = summary["test"]
    assert test["undefined"] == ["never"]
    assert test["findings"]["never"]["auroc"] is None and test["findings"]["never"]["prevalence"] == 0
    by_finding = [test["findings"][name]["auroc"] for name in ("left", "right")]
    assert min(by_finding) > 0.8
    assert test["auroc"] == pytest.approx(sum(by_finding) / 2, abs=1e-6)
    assert test["findings"]["left"]["cases"] < test["cases"] == test["findings"]["never"]["cases"]
    assert summary["sites"]["site-3"]["findings"]["right"]["cases"] == 0
    assert summary["sites"]["site-3"]["undefined"] == ["right", "never"]
    name = summary["worst_site"]["name"]
    assert summary["worst_site"]["auroc"] == summary["sites"][name]["auroc"]
    assert (tmp_path / "run" / "rounds.png").is_file()
    lines = [json.loads(line) for line in (tmp_path / "run" / "rounds.jsonl").read_text().splitlines()]
    assert lines[0]["test"]["auroc"] == 0.5 and lines[-1]["test"] == {k: v for k, v in test.items() if k != "source"}


def test_the_table_says_over_how_many_findings_a_mean_is(run: Run) -> None:
    text = shown(run(*FINDINGS, "rounds=1"))
    assert "1 of 3" in text and "2 of 3" in text
    assert "means over the findings with cases of both sides; summary.json's `undefined` names the others" in text


def test_findings_weighed_by_the_counts_of_all_sites(run: Run, tmp_path: Path) -> None:
    """``never`` has no positive case anywhere: its weights can't be made."""
    two = (*FINDINGS, "data.classes=[left,right]", "loss.weights=global")
    assert run(*two)["test"]["auroc"] > 0.8
    offers = [json.loads(path.read_text().splitlines()[0]) for path in sorted(tmp_path.glob("run/sites/*/state/rel*"))]
    assert [len(offer["class_counts"]) for offer in offers] == [4, 4, 4]
    assert offers[2]["class_counts"][2:] == [0, 0]
    with pytest.raises(Exception, match=r"hold no case of never present .*use loss\.weights=local"):
        run(*FINDINGS, "loss.weights=global", out="never")


@pytest.mark.draws
def test_survival(run: Run, tmp_path: Path) -> None:
    summary = run(*SURVIVAL)
    assert (summary["task"], summary["headline"]) == ("survival", "c_index")
    test, sites = summary["test"], summary["sites"].values()
    assert test["c_index"] > 0.7
    assert test["comparable"] == sum(site["comparable"] for site in sites)
    stratified = sum(site["comparable"] * site["c_index"] for site in sites) / test["comparable"]
    assert test["c_index"] == pytest.approx(stratified, abs=1e-5)
    assert test["events"] == sum(site["events"] for site in sites)
    assert summary["worst_site"]["c_index"] == min(site["c_index"] for site in sites)
    whole = summary["intervals"]["together"]
    assert whole["auroc"] is None and whole["classes"] == {}
    assert whole["c_index"]["value"] == pytest.approx(test["c_index"], abs=1e-6)
    assert 0.5 < whole["c_index"]["low"] < test["c_index"] < whole["c_index"]["high"] < 1
    assert whole["c_index"]["positives"] == test["events"]
    said = [*sureness(summary)]
    assert (
        said[0].startswith("C-index with 95 % intervals, by the number of cases: ") and "all sites together" in said[0]
    )
    assert any("of two models' C-index from" in sentence for sentence in said)
    few = {**summary["intervals"]}
    few["sites"] = {name: {**one, "few": True} for name, one in few["sites"].items()}
    assert any(one.startswith("fewer than 5 events in the test") for one in sureness({**summary, "intervals": few}))
    text = shown(summary)
    assert "C-index" in text and "worst by C-index" in text and "undefined" not in text  # nothing is
    assert (tmp_path / "run" / "rounds.png").is_file()
    first = json.loads((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()[0])
    assert first["test"]["c_index"] == 0.5  # all hazards are equal


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ("data.task=multilabel",),
            r"loss=cross_entropy is for data\.task=classification, not multilabel; set loss=binary_c",
        ),
        (("data.task=survival", "data.classes=[]", "loss.weights=none"), r"not survival; set loss=cox"),
        (("loss=cox",), r"loss=cox is for data\.task=survival, not classification; set loss=cross_entropy"),
        (
            (*SURVIVAL, "loss.weights=local"),
            r"loss\.weights has no effect with data\.task=survival, which has no classes; set it to none",
        ),
        ((*SURVIVAL, "loss.ties=exact"), r"loss\.ties='exact'"),
    ],
)
def test_a_loss_that_does_not_suit_the_task_is_an_error(run: Run, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        run(*overrides)


def test_a_finding_of_one_site_is_learnt_from_its_cases_alone(run: Run) -> None:
    """``right`` is marked by two of three sites: its row is theirs, and none of it is the third one's start."""
    summary = run(*FINDINGS, "data.classes=[left,right]", "rounds=1")
    assert summary["test"]["findings"]["right"]["auroc"] > 0.8


def test_what_no_site_marks_and_what_cannot_weigh_rows_is_an_error_by_name(run: Run) -> None:
    with pytest.raises(RoundError, match=r"no site marks blank .*terms"):
        run(*FINDINGS, "data.classes=[left,blank]", out="blank")
    with pytest.raises(RoundError, match=r"site-1, site-2, site-3 mark.s. only some .*FedMedian.*strategy=exact"):
        run(*FINDINGS, "strategy=median", out="median")
    with pytest.raises(RoundError, match=r"a secure sum weighs all rows of the head alike.*strategy=exact"):
        run(*FINDINGS, "aggregation=secure", out="secure")
