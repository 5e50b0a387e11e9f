"""Personalisation and adaptation through the rounds of a federation of three phantom hospitals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.personal_copy import train_own_copy
from fedgraft.client.training.session import Session
from fedgraft.common.errors import FedGraftError, PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
FREE = "backbone.freeze=blocks.1"
NEVER = ("data.classes=[clear,lesion,never]", "loss.weights=none", "train.lr=0.1")
"""A class that no site has."""
CHOICES = [
    ("personal=fedper", FREE),
    ("personal=fedrep", FREE),
    ("personal=ditto",),
    ("personal=ditto", "adaptation=fedbn"),
    ("personal=finetune", "personal.epochs=2", "adaptation=fedbn"),
]


def figures(result: Any, number: int) -> dict[str, float]:
    """Sums of the loss by site, of one round's evaluation, over what it told (a small split may be withheld)."""
    by_site = result.outcome.rounds[number].by_site
    return {site: sum(one.loss_sum for one in splits.values()) for site, splits in by_site.items()}


def own_files(folder: Path, ending: str = "-own.safetensors") -> list[Path]:
    return sorted(folder.glob(f"*/state/local/*{ending}"))


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("overrides", CHOICES)
def test_a_site_that_restarts_for_every_message_gives_the_same_result(
    federate: Federate, compose_plan: Composer, overrides: tuple[str, ...]
) -> None:
    plan = compose_plan(*overrides)
    stays, restarts = federate(plan, out="stays"), federate(plan, fresh=True, out="restarts")
    assert same(stays.outcome.shared, restarts.outcome.shared)
    assert all(figures(stays, number) == figures(restarts, number) for number in range(3))


@pytest.mark.parametrize("name", ["fedper", "fedrep"])
def test_a_local_head_stays_at_its_site_and_goes_on_from_round_to_round(
    federate: Federate, compose_plan: Composer, name: str
) -> None:
    result = federate(compose_plan(f"personal={name}", FREE))
    assert not any(tensor.startswith("head.") for tensor in result.outcome.shared)
    heads = [safetensors.torch.load_file(path)["head.weight"] for path in own_files(result.folder, ".safetensors")]
    assert len(heads) == 3
    assert not torch.equal(heads[0], heads[1])
    released = (result.folder / "birch" / "state" / "released.jsonl").read_text().splitlines()
    updates = [json.loads(line) for line in released if json.loads(line)["what"] == "update"]
    assert updates and not any(tensor.startswith("head.") for line in updates for tensor in line["tensors"])


@pytest.mark.parametrize("name", ["ditto", "finetune"])
def test_the_shared_model_is_that_of_a_run_without_it(federate: Federate, compose_plan: Composer, name: str) -> None:
    plain = federate(compose_plan(), out="plain")
    personal = federate(compose_plan(f"personal={name}"), out="personal")
    assert same(plain.outcome.shared, personal.outcome.shared)
    assert figures(plain, 0) == figures(personal, 0)
    last = figures(plain, 2), figures(personal, 2)
    assert all(last[0][site] != last[1][site] for site in last[0])


def test_dittos_copy_is_kept_at_the_site_and_is_what_it_evaluates(federate: Federate, compose_plan: Composer) -> None:
    plain = federate(compose_plan(), out="plain")
    ditto = federate(compose_plan("personal=ditto"), out="ditto")
    assert len(own_files(ditto.folder)) == 3
    assert own_files(plain.folder) == []
    assert figures(plain, 1) != figures(ditto, 1)


def test_dittos_copy_near_enough_is_the_shared_model_that_came(federate: Federate, compose_plan: Composer) -> None:
    """With lr * mu = 1 a copy of one step is w - lr * gradient, from wherever it started."""
    overrides = ("train.lr=0.01", "train.batch_size=512", "train.optimizer=sgd", "train.momentum=0")
    result = federate(compose_plan("personal=ditto", "personal.mu=100", *overrides, "rounds=1"))
    start = build(compose_plan(), None)
    zero = start.tensors(["head.weight"])["head.weight"]
    copies = [safetensors.torch.load_file(path) for path in own_files(result.folder)]
    counts = [offer.examples for _, offer in sorted(result.outcome.offers.items())]
    mean = sum(n * (copy["head.weight"] - zero) for n, copy in zip(counts, copies, strict=True)) / sum(counts)
    assert torch.allclose(mean, result.outcome.shared["head.weight"] - zero, atol=1e-6)


@pytest.mark.parametrize(
    ("with_term", "without"),
    [
        (("alignment=coral", FREE), (FREE,)),
        (("alignment=adversarial", "alignment.weight=1", FREE), (FREE,)),
        (("loss.absent=distil", *NEVER), ("loss.absent=mask", *NEVER)),
    ],
    ids=["coral", "adversarial", "distil"],
)
def test_what_is_added_to_the_loss_acts_on_dittos_copy_too(
    federate: Federate, compose_plan: Composer, with_term: tuple[str, ...], without: tuple[str, ...]
) -> None:
    """Up to the round that counts both runs are the same: an alignment acts from the second on, distilling at once."""
    rounds = f"rounds={1 if NEVER[0] in with_term else 2}"
    aligned, plain = (
        federate(compose_plan("personal=ditto", "train.batch_size=8", rounds, *overrides), out=out)
        for out, overrides in (("with", with_term), ("without", without))
    )
    copies = [[safetensors.torch.load_file(path) for path in own_files(run.folder)] for run in (aligned, plain)]
    assert len(copies[0]) == len(copies[1]) == 3
    assert all(any(not torch.equal(one[name], two[name]) for name in two) for one, two in zip(*copies, strict=True))


def test_finetuning_changes_the_final_evaluation_only(federate: Federate, compose_plan: Composer) -> None:
    plain = federate(compose_plan(), out="plain")
    little, much = (federate(compose_plan("personal=finetune", f"personal.lr={lr}"), out=lr) for lr in ("1e-9", "0.1"))
    assert figures(plain, 1) == figures(little, 1) == figures(much, 1)
    assert figures(little, 2) == pytest.approx(figures(plain, 2), rel=1e-5)
    assert figures(much, 2) != pytest.approx(figures(plain, 2), rel=1e-2)


def test_global_class_weights_reach_finetuning(federate: Federate, compose_plan: Composer) -> None:
    plan = compose_plan("personal=finetune", "loss.weights=global", "rounds=1")
    assert not [entry for entry in federate(plan).ledger.entries if entry.outcome != "ok"]


@pytest.mark.parametrize("name", ["ditto", "finetune"])
def test_a_held_out_site_evaluates_the_shared_model(federate: Federate, compose_plan: Composer, name: str) -> None:
    plain = federate(replace(compose_plan("rounds=1"), hold_out=("birch",)), out="plain")
    personal = federate(replace(compose_plan(f"personal={name}", "rounds=1"), hold_out=("birch",)), out="personal")
    assert figures(plain, 1)["birch"] == figures(personal, 1)["birch"]
    assert figures(plain, 1)["alder"] != figures(personal, 1)["alder"]


def test_a_local_head_of_a_graft_that_is_the_head_is_refused(compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match=r"with a local head nothing is shared; free a stage"):
        build(compose_plan("personal=fedper"), None)


def test_a_local_head_at_a_site_that_never_trains_is_refused(compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match=r"a local head would never be trained at birch.*use personal=none"):
        build(compose_plan("personal=fedrep", FREE, "hold_out=[birch]"), None)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("adaptation", ["none", "fedbn"])
def test_a_held_out_site_adapts_and_the_others_do_not_notice(
    federate: Federate, compose_plan: Composer, fresh: bool, adaptation: str
) -> None:
    plan = replace(compose_plan("rounds=1", f"adaptation={adaptation}"), hold_out=("birch",))
    adapted_plan = compose_plan("rounds=1", f"adaptation={adaptation}", "adapt=adabn", "hold_out=[birch]")
    plain = federate(plan, out="plain")
    adapted = federate(adapted_plan, fresh=fresh, out="adapted")
    assert same(plain.outcome.shared, adapted.outcome.shared)
    before, after = figures(plain, 1), figures(adapted, 1)
    assert before["birch"] != after["birch"]
    assert {**before, "birch": 0} == {**after, "birch": 0}


def test_each_held_out_site_adapts_the_model_as_it_came(federate: Federate, compose_plan: Composer) -> None:
    """In one process two sites share one network: the second must not start from the first one's statistics."""
    plan = compose_plan("rounds=1", "adapt=adabn", "hold_out=[birch,cedar]", "patience.quorum_sites=1")
    together, apart = federate(plan, out="together"), federate(plan, fresh=True, out="apart")
    assert figures(together, 1) == figures(apart, 1)


def test_adabn_without_batch_norm_is_refused_before_the_first_round(compose_plan: Composer) -> None:
    plan = compose_plan("backbone.name=test_vit", "data.image_size=160", "adapt=adabn", "hold_out=[birch]")
    with pytest.raises(PlanError, match="adapt=adabn has no effect: the network has no batch norm"):
        build(plan, None)


def test_tent_reads_outputs_as_classes_and_is_refused_for_findings(compose_plan: Composer) -> None:
    plan = compose_plan("adapt=tent", "hold_out=[birch]", "loss=binary_cross_entropy", "data.task=multilabel")
    with pytest.raises(PlanError, match=r"Tent needs data.task=classification; use adapt=none"):
        build(plan, None)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("adapt=adabn",), "adapt has no effect without hold_out: .*name one in hold_out, or set adapt=none"),
        (
            ("adapt=adabn", "hold_out=[birch]", "release.evaluation=false"),
            "adapt has no effect with release.evaluation",
        ),
    ],
)
def test_an_option_without_effect_is_an_error(compose_plan: Composer, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        compose_plan(*overrides)


@pytest.mark.parametrize("name", ["ditto", "finetune"])
def test_what_changes_evaluations_only_needs_them_released(compose_plan: Composer, name: str) -> None:
    plan = compose_plan(f"personal={name}", "release.evaluation=false")
    words = (
        rf"personal={name} has no effect with release.evaluation=false: .*set release.evaluation=true, or personal=none"
    )
    with pytest.raises(PlanError, match=words):
        build(plan, None)
    build(compose_plan("personal=fedper", "adaptation=ssf", "release.evaluation=false"), None)


def test_local_layers_at_a_site_that_never_trains_are_refused(compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match=r"local layers would never be trained at birch.*use adaptation.role=shared"):
        build(compose_plan("adaptation=ssf", "adaptation.role=local", "hold_out=[birch]"), None)


def test_training_the_copy_leaves_the_network_as_it_was(
    federate: Federate, compose_plan: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, bool] = {}

    def watched(session: Session, received: dict[str, torch.Tensor], task: LocalTraining) -> None:
        before = session.model.tensors(session.model.state)
        train_own_copy(session, received, task)
        kept[session.site.name] = same(before, session.model.tensors(session.model.state))

    monkeypatch.setattr("fedgraft.client.app.handlers.train_own_copy", watched)
    result = federate(compose_plan("personal=ditto", "adaptation=fedbn", "rounds=1"))
    assert kept == {"alder": True, "birch": True, "cedar": True}
    assert len(own_files(result.folder)) == 3


def test_so_does_a_copy_whose_training_diverges(
    federate: Federate, compose_plan: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, bool] = {}

    def watched(session: Session, received: dict[str, torch.Tensor], task: LocalTraining) -> None:
        before = session.model.tensors(session.model.state)
        with pytest.raises(FedGraftError) as caught:
            train_own_copy(session, received, replace(task, lr=1e30))
        assert "diverged" in str(caught.value)
        kept[session.site.name] = same(before, session.model.tensors(session.model.state))

    monkeypatch.setattr("fedgraft.client.app.handlers.train_own_copy", watched)
    federate(compose_plan("personal=ditto", "adaptation=fedbn", "rounds=1", "personal.epochs=3"))
    assert kept == {"alder": True, "birch": True, "cedar": True}
