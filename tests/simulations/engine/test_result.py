"""A run that has ended, opened again: figures, frames, picture and page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import fedgraft as fg
from fedgraft.client.prediction.frames import as_frame
from fedgraft.simulations.engine.frames import flat, round_lines, site_lines

SMALL = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data": {"image_size": 32, "sites": 2, "cases": 24, "size": 64},
    "rounds": 2,
    "train__epochs": 1,
    "engine__threads": 1,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> fg.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return fg.simulate(fg.plan(**SMALL), tmp_path_factory.mktemp("runs") / "small", quiet=True)


@pytest.fixture
def no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # importing it fails, as where it is not installed


def test_its_folder_is_all_that_it_needs(run: fg.Run) -> None:
    again = fg.Run(str(run.out))
    assert again == run
    assert again.summary == json.loads((run.out / "summary.json").read_text(encoding="utf-8"))
    assert again.plan.digest == again.summary["plan_digest"] == fg.plan(**SMALL).digest
    assert again.plan.rounds == 2
    assert again.picture == run.out / "rounds.png"
    assert repr(again) == f"<run {run.out}: 2 sites, 2 rounds, test AUROC {again.summary['test']['auroc']}>"


def test_rounds_sites_and_ledger_are_frames(run: fg.Run) -> None:
    rounds, sites, ledger = run.rounds, run.sites, run.ledger
    assert list(rounds["round"]) == [0, 1, 2]
    assert rounds["test_auroc"].iloc[-1] == run.summary["test"]["auroc"]
    assert rounds["bytes_up"].iloc[0] == 0 and (rounds["bytes_up"].iloc[1:] > 0).all()
    final = sites[(sites["round"] == 2) & (sites["split"] == "test")].set_index("site")
    assert {name: final.loc[name, "auroc"] for name in final.index} == {
        name: figures["auroc"] for name, figures in run.summary["sites"].items()
    }
    trained = ledger[(ledger["what"] == "train") & (ledger["outcome"] == "ok")]
    assert len(trained) == 2 * 2


def test_without_pandas_they_are_lists_of_the_same_lines(run: fg.Run, no_pandas: None) -> None:
    assert [line["round"] for line in run.rounds] == [0, 1, 2]
    assert run.rounds[-1]["test_auroc"] == run.summary["test"]["auroc"]
    assert {line["site"] for line in run.sites} == set(run.summary["sites"])
    assert isinstance(run.ledger, list) and set(run.ledger[0]) >= {"round", "what", "site", "outcome", "bytes_up"}


def test_a_notebook_shows_the_table_and_the_picture(run: fg.Run, tmp_path: Path) -> None:
    page = run._repr_html_()
    assert run.summary["worst_site"]["name"] is None, "no site has 5 lesions among its test cases"
    assert "font-weight:bold" not in page and "so that their figures say nothing of the site" in page
    assert all(name in page for name in (*run.summary["sites"], "all sites together", "AUROC"))
    assert '<img alt="rounds"' in page and "base64,iVBOR" in page
    for name in ("plan.yaml", "summary.json"):
        (tmp_path / name).write_bytes((run.out / name).read_bytes())
    undrawn = fg.Run(tmp_path)
    assert undrawn.picture is None and "<img" not in undrawn._repr_html_()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(fg.DataError, match="nowhere is no folder; name the `out` of a simulation that has ended"):
        fg.Run(tmp_path / "nowhere")
    with pytest.raises(fg.DataError, match=r"holds no ended run \(no summary.json\)"):
        fg.Run(tmp_path)
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    with pytest.raises(fg.DataError, match="is the folder of a study: open it with Comparison"):
        fg.Run(tmp_path)


def test_a_run_that_fails_leaves_no_figures_of_the_one_before(run: fg.Run, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}", encoding="utf-8")
    with pytest.raises(fg.PlanError, match="hold_out names nobody"):
        fg.simulate(fg.plan(**SMALL, hold_out=["nobody"]), tmp_path, quiet=True)
    with pytest.raises(fg.RoundError, match=r"0 site\(s\) sent a usable update"):
        fg.simulate(fg.plan(**SMALL, train__lr=1e38), tmp_path, quiet=True)
    assert not (tmp_path / "summary.json").exists()
    with pytest.raises(fg.DataError, match="holds no ended run"):
        fg.Run(tmp_path)


def test_lines_become_flat() -> None:
    """Two rounds of one site, by hand."""
    val = {"auroc": 0.5, "findings": {"a": {"auroc": 1.0}}, "undefined": ["b"]}
    line = {"round": 1, "bytes": {"up": 2}, "val": val, "sites": {"north": {"val": val, "test": {"auroc": None}}}}
    assert dict(flat({"a": 1, "b": {"c": {"d": 2}}})) == {"a": 1, "b_c_d": 2}
    assert round_lines([line]) == [{"round": 1, "bytes_up": 2, "val_auroc": 0.5}]
    assert site_lines([line]) == [
        {"round": 1, "site": "north", "split": "val", "auroc": 0.5},
        {"round": 1, "site": "north", "split": "test", "auroc": None},
    ]
    assert as_frame([{"a": 1}, {"a": 2}])["a"].sum() == 3
