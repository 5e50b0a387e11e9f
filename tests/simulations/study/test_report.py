"""From runs to `study.json`, tables and sentences, with figures made up by hand."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedgraft.common.drawing.numbers import signed
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.study.plot import draw_study
from fedgraft.simulations.study.report import cost_rows, difference_rows, figure_rows, markdown, print_study, sentences
from fedgraft.simulations.study.summary import Trained, summarise

FEDERATED = {0: {"a": 0.8, "b": 0.6}, 1: {"a": 0.9, "b": 0.7}}
ALONE = {0: {"a": 0.7, "b": 0.9}, 1: {"a": 0.7, "b": 1.0}}
FIRST = {0: 0.1, 1: 0.01}


def trained(method: str, site: str, seed: int, figures: dict[str, float | None], **others: Any) -> Trained:
    given = {site: {"auroc": figure, "cases": 9} for site, figure in figures.items()}
    cost = {"seconds": 1.5, "bytes_up": 10, "bytes_down": 20, "lr": FIRST[seed]}
    return Trained(method, site, seed, tested=tuple(figures), figures=given, **{**cost, **others})


@pytest.fixture
def found() -> dict[str, Any]:
    """Two sites, two seeds: a gains, b loses."""
    runs = [trained("federated", "", seed, dict(FEDERATED[seed]), runs=2) for seed in (0, 1)]
    runs += [trained("local", site, seed, {site: ALONE[seed][site]}) for seed in (0, 1) for site in "ab"]
    return summarise(runs, Classification(("clear", "lesion")))


def test_the_summary_by_hand(found: dict[str, Any]) -> None:
    assert found["by_site"]["a"]["federated"] == {"mean": 0.85, "sd": 0.070711, "values": [0.8, 0.9]}
    assert found["mean_over_sites"]["local"]["values"] == [0.8, 0.85]
    assert found["worst_site"]["federated"]["site"] == "b" and found["worst_site"]["local"]["site"] == "a"
    assert found["difference"]["local"]["mean_over_sites"]["values"] == [-0.1, -0.05]
    assert found["difference"]["local"]["by_site"]["b"]["values"] == [-0.3, -0.3]
    assert found["chosen_lr"] == {"federated": [0.1, 0.01], "local-a": [0.1, 0.01], "local-b": [0.1, 0.01]}
    assert found["cost"]["local"] == {"runs": 4, "seconds": 6.0, "bytes_up": 10, "bytes_down": 20}
    assert found["figures"]["local"][1]["b"] == {"auroc": 1.0, "cases": 9}


def test_the_tables(found: dict[str, Any]) -> None:
    headings, rows = figure_rows(found)
    assert headings == ("site", "federated", "each site alone")
    assert rows[0] == ("a", "0.850 ± 0.071", "0.700 ± 0.000")
    assert rows[-1] == ("worst site", "0.650 ± 0.071 b", "0.700 ± 0.000 a")
    _, rows = difference_rows(found)
    assert rows[1] == ("b", "-0.300 (the same with every seed)")
    assert rows[2] == ("mean over sites", "-0.075 [-0.393, +0.243]")
    _, rows = cost_rows(found)
    assert rows == [
        ("federated", "0.1, 0.01", "4", "3.0 s", "20", "10"),
        ("each site alone", "0.01 (2), 0.1 (2)", "4", "6.0 s", "20", "10"),
    ]


def test_a_method_without_a_rate_shows_none() -> None:
    """The exact head depends on no rate; a rival that trains shows its own."""
    runs = [trained("federated", "", 0, dict(FEDERATED[0]), without_lr=True)]
    runs += [trained("fedavg", "", 0, dict(FEDERATED[0]))]
    found = summarise(runs, Classification(("clear", "lesion")))
    assert found["without_lr"] == ["federated"]
    assert [row[1] for row in cost_rows(found)[1]] == ["none", "0.1"]
    del found["without_lr"]  # of a study before it was told
    assert [row[1] for row in cost_rows(found)[1]] == ["0.1", "0.1"]


def test_the_sentences_say_who_is_better_alone(found: dict[str, Any]) -> None:
    verdict, by_site, intervals, alike, counted = sentences(found)
    assert verdict.startswith(
        "Can't tell whether federation helped: federated - local is -0.075 AUROC [-0.393, +0.243]"
    )
    assert verdict.endswith("about 210 test cases (here 18) or about 3 seeds would tell.")
    assert by_site == (
        "By site: can't tell at 2 of 2: a (+0.150 [-0.485, +0.785]), b (-0.300, the same with every seed)."
    )
    assert alike.endswith("There is no interval then, and no certainty.")
    assert intervals == "Intervals hold the differences between seeds alone, not the choice of test cases."
    assert counted == "Means over sites, their differences and the worst site are over all 2 site(s)."


def test_without_local_there_is_no_verdict() -> None:
    runs = [trained("federated", "", 0, {"a": 0.8}), trained("pooled", "", 0, {"a": 0.9})]
    found = summarise(runs, Classification(("clear", "lesion")))
    assert "verdict" not in found and len(sentences(found)) == 2
    assert found["difference"]["pooled"]["mean_over_sites"]["mean"] == pytest.approx(-0.1)


def test_nothing_has_no_minus() -> None:
    assert (signed(-0.0004), signed(-0.0006), signed(0.0)) == ("+0.000", "-0.001", "+0.000")


def test_what_is_undefined_is_marked_and_counts_in_no_mean() -> None:
    inert = {"without_options": ("loss.weights", "select")}
    dropped = ({"round": 2, "what": "train", "site": "a", "outcome": "site-error", "reason": "it `diverged`"},)
    runs = [
        trained("federated", "", 0, {"a": 0.8, "b": None}),
        trained(
            "local", "a", 0, {"a": 0.7}, chosen_without_val=True, without_columns=("ca",), **inert, dropped=dropped
        ),
        Trained("local", "b", 0, 0.1, ("b",), failed="no case\nto train on"),
    ]
    found = summarise(runs, Classification(("clear", "lesion")))
    _, rows = figure_rows(found)
    assert rows[1] == ("b", "undefined", "failed")
    assert found["mean_over_sites"]["federated"]["values"] == [0.8]
    said = "\n".join(sentences(found))
    for words in (
        "Marked `*`, no AUROC with some seed or method",
        "over the sites with enough test cases and a figure under every method, of 2: 1 with seed 0.",
        "took the last round's model: local-a.",
        "Trained without options that have no effect with the cases there: local-a: loss.weights.",
        "Dropped: local-a, seed 0, lr 0.1, round 2: a (train): it `diverged`.",
        "Trained without columns that nobody measured there: local-a: ca.",
        "took the federation's rate, or the nearest at which training ended: local-a.",
        "Failed: local-b, seed 0: no case",
    ):
        assert words in said
    assert found["cost"]["local"]["bytes_up"] == 10
    assert found["dropped"] == [{"run": "local-a", "seed": 0, "lr": 0.1, **dropped[0]}]
    assert runs[1].diverged and not runs[0].diverged


def test_a_method_without_any_figure_is_named() -> None:
    runs = [trained("federated", "", 0, {"a": 0.8}), Trained("pooled", "", 0, 0.1, ("a",), failed="no")]
    found = summarise(runs, Classification(("clear", "lesion")))
    assert found["counted"] == [["a"]] and found["mean_over_sites"]["federated"]["values"] == [0.8]
    assert "over all 1 site(s). Left aside, without any figure: pooled." in "\n".join(sentences(found))


def test_the_report_is_markdown_with_all_tables(
    found: dict[str, Any], compose_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    text = markdown({**found, "budget": ["Not the same budget: twice as often."]}, compose_plan())
    assert "\nNot the same budget: twice as often.\n" in text
    assert "2 rounds of 1 epoch(s), seeds 0, 1." in text
    assert "| a | 0.850 ± 0.071 | 0.700 ± 0.000 |" in text
    assert text.count("\n## ") == 3 and found["verdict"] in text
    console = Console(file=(printed := StringIO()), width=300)
    print_study(found, console)
    assert found["verdict"] in printed.getvalue()
    draw_study(tmp_path / "study.png", found)
    assert (tmp_path / "study.png").read_bytes()[:4] == b"\x89PNG"
