"""A simulation that trains its sites together gives the result of one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.client.app import handlers, many_sites
from fedgraft.client.cohort.manifest import manifest
from fedgraft.client.privacy import answers, linear_steps
from fedgraft.client.privacy import site as private_site
from fedgraft.client.training import vectorised
from fedgraft.common.errors import DivergenceError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation import sites

Composer = Callable[..., Plan]
SITES = ("data.sites=6", "data.cases=40", "partition=quantity", "partition.sites=8", "partition.exponent=0.5")


@pytest.fixture
def run(
    compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(*overrides: str, out: str) -> dict[str, Any]:
        return simulate(compose_plan(*SITES, *overrides), tmp_path / out, Console(file=StringIO()))

    return go


def trained_alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the sites whose training runs by itself, as it happens."""
    names: list[str] = []
    inner = handlers.carry_out

    def counted(given: handlers.Assignment, *rest: Any) -> Any:
        names.append(given.session.site.name)
        return inner(given, *rest)

    monkeypatch.setattr(many_sites, "carry_out", counted)
    return names


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss.weights=local",),
        ("strategy=fedprox", "loss.weights=global"),
        ("train=adamw", "loss.weights=none", "train.epochs=2"),
        ("strategy=fedadam", "head=cosine", "loss.weights=local"),
        ("compression=int8", "loss.weights=none"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_the_result_is_the_same(
    run: Callable[..., dict[str, Any]], tmp_path: Path, overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = trained_alone(monkeypatch)
    summaries = [run(*overrides, f"engine.together={t}", "data.val_fraction=0.2", out=t) for t in ("true", "false")]
    assert len(alone) < 2 * 8, "most sites were trained together"
    one, other = (
        safetensors.torch.load_file(tmp_path / out / "model" / "model.safetensors") for out in ("true", "false")
    )
    loose = "compression=int8" in overrides  # a step more or less where rounding was near the edge
    for name, tensor in other.items():
        scale = tensor.abs().max().item() if tensor.numel() else 0.0
        torch.testing.assert_close(one[name], tensor, rtol=1e-4, atol=(2e-2 if loose else 1e-4) * scale)
    for site, figures in summaries[1]["sites"].items():
        assert summaries[0]["sites"][site]["loss"] == pytest.approx(figures["loss"], rel=1e-2 if loose else 1e-4)
    assert summaries[0]["bytes"] == summaries[1]["bytes"] or loose


@pytest.mark.parametrize("overrides", [("adaptation=silobn",), ("backbone.freeze=blocks.2",), ("engine.keep=false",)])
def test_it_falls_back_by_itself(
    run: Callable[..., dict[str, Any]], overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = trained_alone(monkeypatch)
    run(*overrides, "engine.together=true", "loss.weights=none", "rounds=1", "partition.sites=5", out="run")
    assert len(alone) == 5


def test_what_can_not_be_batched_is_trained_alone_with_the_same_result(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vmap refuses it in the middle of the first step; the order of cases begins anew."""
    run("engine.together=false", "loss.weights=none", out="alone")
    inner = vectorised.train_together

    def breaks(head: Any, start: Any, tasks: Any, device: Any) -> Any:
        for task in tasks:
            next(task.steps())
        raise RuntimeError("vmap: called random operation")

    monkeypatch.setattr(many_sites, "train_together", breaks)
    alone = trained_alone(monkeypatch)
    run("loss.weights=none", out="fallen")
    assert len(alone) == 2 * 8 and inner is not breaks
    one, other = (
        safetensors.torch.load_file(tmp_path / out / "model" / "model.safetensors") for out in ("fallen", "alone")
    )
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_site_that_fails_is_dropped_by_name_and_the_others_go_on_together(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = manifest.write_manifest

    def spoil(path: Path, cases: Any) -> None:
        written(path, cases)
        if path.parent.name.endswith("3"):
            path.write_text(path.read_text().replace(",lesion,", ",tumour,"))

    monkeypatch.setattr(sites, "write_manifest", spoil)
    summary = run("loss.weights=none", out="run")
    assert {line["site"] for line in summary["dropped"]} == {"site-03"} and len(summary["sites"]) == 7
    lines = [json.loads(line) for line in (tmp_path / "run" / "rounds.jsonl").read_text().splitlines()]
    assert [len(line["updated"]) for line in lines] == [0, 7, 7]


PRIVATE = ("privacy=record_trained", "privacy.steps=4", "rounds=2", "train=sgd", "train.lr=0.1", "loss.weights=none")


def test_noisy_steps_together_lead_where_each_sites_lead(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any noise."""
    monkeypatch.setattr(linear_steps, "with_noise", lambda summed, bound, noise: summed)
    monkeypatch.setattr(private_site, "noisy_counts", lambda labels, classes, *rest: labels.bincount().tolist())
    alone = trained_alone(monkeypatch)
    for together in ("true", "false"):
        run(*PRIVATE, f"engine.together={together}", out=together)
        assert len(alone) == 0
    one, other = (
        safetensors.torch.load_file(tmp_path / out / "model" / "model.safetensors") for out in ("true", "false")
    )
    for name, tensor in other.items():
        torch.testing.assert_close(one[name], tensor, rtol=1e-4, atol=1e-6)
    assert other["head.weight"].abs().max() > 0


@pytest.mark.parametrize("words", [("backbone.freeze=blocks.2",), ("head=cosine",)])
def test_noisy_steps_of_other_grafts_are_taken_alone(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    alone = trained_alone(monkeypatch)
    run(*PRIVATE, *words, "rounds=1", "partition.sites=3", out="run")
    assert len(alone) == 3


def test_a_site_that_diverges_in_noisy_steps_is_dropped_by_name(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, names = answers.train_linear, list[str]()

    def first_diverges(head: Any, start: Any, tasks: Any, *rest: Any) -> Any:
        names.append(str(len(tasks)))
        return [DivergenceError("training diverged"), *inner(head, start, tasks, *rest)[1:]]

    monkeypatch.setattr(answers, "train_linear", first_diverges)
    dropped = run(*PRIVATE, "rounds=1", out="run")["dropped"]
    assert names == ["8"] and [one["what"] for one in dropped] == ["train"]
    assert "the site reported `diverged`" in dropped[0]["reason"]
