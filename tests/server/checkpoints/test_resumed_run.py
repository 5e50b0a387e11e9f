"""A run that is interrupted and resumed ends with the same bits as the undisturbed one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common import tensors
from fedgraft.common.errors import CheckpointError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.folder import Checkpoints

Composer = Callable[..., Plan]
FREE = "backbone.freeze=blocks.2"
PLANS = {
    "fedavg": (),
    "fedprox": ("strategy=fedprox",),
    "fedadam": ("strategy=fedadam",),
    "momentum": ("strategy._target_=flwr.serverapp.strategy.FedAvgM", "+strategy.server_momentum=0.5"),
    "two of three sites": ("strategy.fraction=0.7",),
    "best": ("select=best",),
    "interpolated": ("initial=prototypes", "initial.interpolate=[0.5,1]"),
    "ridge start": ("initial=ridge",),
    "int8 with error feedback": ("compression=int8",),
    "top-k with error feedback": ("compression=topk",),
    "ditto": ("personal=ditto",),
    "fedbn": ("adaptation=fedbn",),
    "clipped, geometric median": (
        *("strategy=geometric_median", "bounds.clip=1.01", "bounds.least=1", "bounds.deviations=0"),
    ),
    "coral": (FREE, "alignment=coral", "alignment.dimensions=6"),
    "own scale": ("features.scale=own",),
    "exact": ("strategy=exact", "head=plain", "features=taps", "select=best"),
    "exact, own intercepts": ("strategy=exact", "head=plain", "personal=intercept"),
}


def figures(out: Path) -> dict[str, Any]:
    """The figures of each round, without times."""
    lines = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
    return {str(line["round"]): [line["val"], line["test"], line["sites"], line["train_loss"]] for line in lines}


@pytest.mark.parametrize("name", PLANS)
def test_it_ends_with_the_same_bits(
    runs: Any, interruption: type[BaseException], compose_plan: Composer, name: str
) -> None:
    plan = compose_plan(*PLANS[name], "rounds=3", "engine.threads=1")
    whole = runs.begin(plan, "whole")
    for stop in (2, 3):
        with pytest.raises(interruption):
            runs.begin(plan, "cut", stop=stop, resume=stop > 2)
    found = runs.begin(plan, "cut", resume=True, run=5)  # Flower gives it another id
    assert tensors.digest(found.shared) == tensors.digest(whole.shared)
    assert figures(runs.folder / "cut") == figures(runs.folder / "whole")
    kept, expected = runs.local("cut"), runs.local("whole")
    assert kept.keys() == expected.keys()
    assert all(tensors.digest(kept[file]) == tensors.digest(expected[file]) for file in expected)
    model = Path("model") / "model.safetensors"
    assert (runs.folder / "cut" / model).read_bytes() == (runs.folder / "whole" / model).read_bytes()


def test_a_damaged_checkpoint_costs_a_round_and_no_more(
    runs: Any, interruption: type[BaseException], compose_plan: Composer
) -> None:
    plan = compose_plan("compression=topk", "rounds=3", "engine.threads=1")
    whole = runs.begin(plan, "whole")
    with pytest.raises(interruption):
        runs.begin(plan, "cut", stop=3)
    checkpoints = Checkpoints(runs.folder / "cut")
    assert checkpoints.numbers() == [1, 2]
    last = checkpoints.folder / "000002.safetensors"
    last.write_bytes(last.read_bytes()[:-1] + bytes([last.read_bytes()[-1] ^ 1]))
    found = runs.begin(plan, "cut", resume=True)
    assert tensors.digest(found.shared) == tensors.digest(whole.shared)


def test_without_a_whole_checkpoint_it_says_what_to_do(
    runs: Any, interruption: type[BaseException], compose_plan: Composer
) -> None:
    plan = compose_plan("rounds=3")
    with pytest.raises(interruption):
        runs.begin(plan, "cut", stop=3)
    for file in Checkpoints(runs.folder / "cut").folder.glob("*.safetensors"):
        file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"no whole checkpoint .*; begin the run anew"):
        runs.begin(plan, "cut", resume=True)


def test_another_plan_does_not_go_on_with_it(
    runs: Any, interruption: type[BaseException], compose_plan: Composer
) -> None:
    with pytest.raises(interruption):
        runs.begin(compose_plan("rounds=3"), "cut", stop=2)
    with pytest.raises(CheckpointError, match="holds a run of another plan"):
        runs.begin(compose_plan("rounds=3", "train.lr=0.2"), "cut", resume=True)


def test_what_was_asked_in_a_lost_round_is_told_apart(
    runs: Any, interruption: type[BaseException], compose_plan: Composer
) -> None:
    """The ledger counts each round once; what was lost lies beside it."""
    plan = compose_plan("rounds=3")
    with pytest.raises(interruption):
        runs.begin(plan, "cut", stop=2)
    runs.begin(plan, "cut", resume=True)
    entries = [json.loads(line) for line in (runs.folder / "cut" / "ledger.jsonl").read_text().splitlines()]
    lost = [json.loads(line) for line in (runs.folder / "cut" / "ledger-lost.jsonl").read_text().splitlines()]
    assert sorted((one["round"], one["site"]) for one in entries if one["what"] == "train") == [
        (number, site) for number in (1, 2, 3) for site in ("alder", "birch", "cedar")
    ]
    assert {(one["round"], one["what"]) for one in lost} == {(2, "train")}


def test_an_interrupted_run_leaves_the_last_evaluated_model(
    runs: Any, interruption: type[BaseException], compose_plan: Composer
) -> None:
    """That of round 2, since the sites evaluate a model in the round after it."""
    plan = compose_plan("rounds=5", "engine.threads=1")
    with pytest.raises(interruption):
        runs.begin(plan, "two", stop=2)
    two = tensors.load(runs.folder / "two" / "shared.safetensors")
    with pytest.raises(ValueError, match="round 4"):
        runs.begin(plan, "cut", stop=4, by=ValueError)
    out = runs.folder / "cut"
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["complete"], summary["completed_rounds"], summary["final_round"]) == (False, 3, 2)
    assert summary["reason"] == "ValueError: round 4"
    assert summary["warnings"][0].startswith("the run is not complete: it ended after 3 of 5 round(s)")
    assert summary["test"]["auroc"] == figures(out)["2"][1]["auroc"]
    held = tensors.load(out / "model" / "model.safetensors")
    assert all((held[name] == tensor).all() for name, tensor in two.items())
    assert "not complete" in (out / "report.html").read_text()


def test_before_the_first_round_nothing_is_left(
    runs: Any, interruption: type[BaseException], compose_plan: Composer
) -> None:
    with pytest.raises(ValueError, match="round 1"):
        runs.begin(compose_plan("rounds=3"), "cut", stop=1, by=ValueError)
    assert not (runs.folder / "cut" / "summary.json").exists()
