"""Rounds of three hospitals that align their features: what the reference holds, when it acts, what stays inside."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message

from fedgraft.client.app.workspace import Workspace
from fedgraft.common import tensors
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.plan.plan import Plan

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
SITES = ("alder", "birch", "cedar")
FREE = "backbone.freeze=blocks.2"
CORAL = (FREE, "alignment=coral", "alignment.dimensions=6")
SMALL = {
    "coral": CORAL,
    "mmd": (FREE, "alignment=mmd", "alignment.frequencies=8"),
    "adversarial": (FREE, "alignment=adversarial", "alignment.dimensions=6", "alignment.weight=1"),
}
STRATEGIES = {
    "fedavg": (),
    "fedadam": ("strategy=fedadam",),
    "fedmedian": ("strategy=fedmedian",),
    "momentum": ("strategy._target_=flwr.serverapp.strategy.FedAvgM", "+strategy.server_momentum=0.5"),
}


class Watch:
    """Keeps what is sent to one site and what it answers, round by round; give it as a tampering."""

    def __init__(self) -> None:
        self.sent: list[dict[str, np.ndarray]] = []
        self.answered: list[tuple[int, dict[str, np.ndarray]]] = []

    def __call__(self, message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            self.sent.append({n: a.numpy().copy() for n, a in message.content.array_records["arrays"].items()})
            cases = int(reply.content.metric_records["metrics"]["num-examples"])  # type: ignore[arg-type]
            arrays = reply.content.array_records["arrays"]
            self.answered.append((cases, {n: a.numpy().copy() for n, a in arrays.items()}))
        return reply


def watched(federate: Federate, plan: Plan, **more: Any) -> tuple[Any, list[Watch]]:
    watches = [Watch() for _ in range(3)]
    return federate(plan, dict(enumerate(watches)), **more), watches


def differs(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return any(not np.array_equal(one[name], other[name]) for name in one if not name.startswith("reference."))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_reference_is_that_of_all_training_cases_pooled_whatever_the_strategy(
    federate: Federate, compose_plan: Composer, strategy: str
) -> None:
    """Of the second round: by class, under the model that everybody had in the first."""
    plan = compose_plan(*CORAL, *STRATEGIES[strategy], "alignment.per_class=true", "engine.keep=false")
    result, (watch, *_) = watched(federate, plan, edit=allow_any_count)
    sessions = [Workspace().open(path, plan.digest, 1) for path in sorted((result.folder).glob("*/site.yaml"))]
    model = sessions[0].model
    model.load(sessions[0].initial)
    labels = torch.cat([session.cohort["train"].labels for session in sessions]).numpy()
    with torch.inference_mode():
        features = [model.network.backbone(session.cohort["train"].inputs) for session in sessions]
    x = torch.cat(features).double().numpy()
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    z = x @ model.network.reference.space.directions.double().numpy().T  # type: ignore[union-attr, operator]
    sent = watch.sent[1]
    for group in (0, 1):
        some = z[labels == group]
        share = sent["reference.share"][group]
        assert share == pytest.approx(len(some) / len(z), rel=1e-6)
        assert np.allclose(sent["reference.first"][group] / share, some.mean(0), rtol=1e-4, atol=1e-5)
        assert np.allclose(sent["reference.second"][group] / share, some.T @ some / len(some), rtol=1e-4, atol=1e-5)


def allow_any_count(folder: Path) -> None:
    text = (folder / "site.yaml").read_text()
    (folder / "site.yaml").write_text(text.replace("min_count: 5", "min_count: 1"))


def test_the_first_round_is_not_aligned_and_the_second_is(federate: Federate, compose_plan: Composer) -> None:
    for name, overrides in SMALL.items():
        (_, plain), (_, aligned) = (
            watched(federate, compose_plan(*given), out=f"{name}{number}")
            for number, given in enumerate(((FREE,), overrides))
        )
        first, second = ((p[1], a[1]) for p, a in zip(plain[0].answered, aligned[0].answered, strict=True))
        assert not differs(*first), name
        assert differs(*second), name
        assert not aligned[0].sent[0]["reference.share"].any()
        assert aligned[0].sent[1]["reference.share"].all()


@pytest.mark.parametrize("name", SMALL)
def test_a_site_that_restarts_for_every_message_gives_the_same_result(
    federate: Federate, compose_plan: Composer, name: str
) -> None:
    plan = compose_plan(*SMALL[name], "rounds=3")
    stays, restarts = federate(plan, out="stays"), federate(plan, fresh=True, out="restarts")
    assert all(torch.equal(tensor, restarts.outcome.shared[n]) for n, tensor in stays.outcome.shared.items())
    files = sorted(stays.folder.glob("*/state/local/*.safetensors"))
    assert len(files) == (3 if name == "adversarial" else 0)
    if files:
        first, second = (tensors.load(file) for file in files[:2])
        assert all(name.startswith("reference.discriminator.") for name in first)
        assert not torch.equal(first["reference.discriminator.0.weight"], second["reference.discriminator.0.weight"])
        assert not any("discriminator" in n for n in stays.outcome.shared)


@pytest.mark.parametrize("name", SMALL)
def test_training_on_what_is_kept_is_training_on_images(federate: Federate, compose_plan: Composer, name: str) -> None:
    kept, whole = (
        federate(compose_plan(*SMALL[name], f"engine.keep={keep}"), out=keep).outcome.shared
        for keep in ("true", "false")
    )
    for n, tensor in whole.items():
        assert torch.allclose(kept[n], tensor, rtol=1e-4, atol=1e-4 * tensor.abs().max().item()), n


def test_moments_are_never_rounded(federate: Federate, compose_plan: Composer) -> None:
    """What came back of the first round, whose model was the same."""
    overrides = (FREE, "alignment=mmd", "alignment.frequencies=64", "compression.down=exact")
    exact, rounded = (
        watched(federate, compose_plan(*overrides, f"compression={name}"), out=name)[1][0] for name in ("none", "int8")
    )
    assert np.array_equal(exact.answered[0][1]["reference.embedding"], rounded.answered[0][1]["reference.embedding"])
    assert np.array_equal(exact.sent[1]["reference.embedding"], rounded.sent[1]["reference.embedding"])


def test_running_statistics_under_adam_are_the_mean(federate: Federate, compose_plan: Composer) -> None:
    plan = compose_plan(FREE, "backbone.batch_norm=train", "strategy=fedadam", "strategy.eta=1")
    _, watches = watched(federate, plan)
    total = sum(watch.answered[0][0] for watch in watches)
    statistics = [name for name in watches[0].sent[1] if name.endswith(("running_mean", "running_var"))]
    assert statistics
    for name in statistics:
        mean = sum(cases / total * arrays[name].astype(float) for cases, arrays in (w.answered[0] for w in watches))
        assert np.allclose(watches[0].sent[1][name], mean, rtol=1e-5, atol=1e-7), name


def test_moments_that_no_site_gives_end_the_run(federate: Federate, compose_plan: Composer) -> None:
    def forbid(folder: Path) -> None:
        text = (folder / "site.yaml").read_text()
        (folder / "site.yaml").write_text(text.replace("  statistics: true", "  statistics: false"))

    with pytest.raises(RoundError, match=r"round 1: alignment has no effect: no site released moments"):
        federate(compose_plan(*CORAL), edit=forbid)


ONE_OF_THREE = ("strategy.fraction=0.34", "patience.quorum_sites=1", "rounds=4")


def forbid_all_but(*names: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / "site.yaml").read_text()
        if folder.name not in names:
            (folder / "site.yaml").write_text(text.replace("  statistics: true", "  statistics: false"))

    return edit


def test_a_round_of_sites_that_give_nothing_keeps_the_known_moments(federate: Federate, compose_plan: Composer) -> None:
    """One site of three is asked each round; only that of the first gives moments."""
    plan = compose_plan(*CORAL, *ONE_OF_THREE)
    result, watches = watched(federate, plan, out="all")
    asked = {site: [e.round for e in result.ledger.entries if e.what == "train" and e.site == site] for site in SITES}
    (first,) = [site for site, rounds in asked.items() if 1 in rounds]
    assert len([rounds for rounds in asked.values() if rounds]) > 1
    result, watches = watched(federate, plan, edit=forbid_all_but(first), out="one")
    (index,) = [number for number, site in enumerate(SITES) if site == first]
    last = max(asked[first])
    share = result.outcome.shared["reference.share"]
    assert share.tolist() == [1.0]
    second = watches[index].answered[-1][1]["reference.second"]
    assert np.array_equal(result.outcome.shared["reference.second"].numpy(), second)
    assert last < 4


def test_moments_that_no_asked_site_ever_gave_end_the_run_after_its_last_round(
    federate: Federate, compose_plan: Composer
) -> None:
    with pytest.raises(RoundError, match=r"round 4: alignment has no effect: no site released moments"):
        federate(compose_plan(*CORAL, *ONE_OF_THREE), edit=forbid_all_but())


@pytest.mark.parametrize("share", [-1000.0, 1e30])
def test_a_site_with_an_impossible_share_is_left_out(federate: Federate, compose_plan: Composer, share: float) -> None:
    def lie(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            arrays = reply.content.array_records["arrays"]
            reply.content["arrays"] = ArrayRecord({**arrays, "reference.share": Array(np.full(1, share, np.float32))})
        return reply

    result = federate(compose_plan(*CORAL), {1: lie})
    refused = [entry for entry in result.ledger.entries if entry.outcome != "ok"]
    assert {(entry.site, entry.outcome) for entry in refused} == {("birch", "bad-update")}
    assert {entry.reason for entry in refused} == {"reference: a share of its training cases is below 0 or above 1"}
    assert result.outcome.shared["reference.share"].tolist() == [1.0]


def with_scanners(*names: str) -> Callable[[Path], None]:
    """Gives a site's manifest a column in which these names take turns."""

    def edit(folder: Path) -> None:
        with (folder / "manifest.csv").open(newline="") as stream:
            heading, *rows = csv.reader(stream)
        with (folder / "manifest.csv").open("w", newline="") as stream:
            lines = [[*row, names[number % len(names)]] for number, row in enumerate(rows)]
            csv.writer(stream).writerows([[*heading, "scanner"], *lines])

    return edit


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_a_site_s_own_scanners_are_aligned_from_the_first_round_on(
    federate: Federate, compose_plan: Composer, name: str
) -> None:
    overall = compose_plan(*SMALL[name])
    by_scanner = compose_plan(*SMALL[name], "alignment.column=scanner")
    (_, one), (_, two), (_, without) = (
        watched(federate, plan, edit=with_scanners(*scanners), laid_out=overall, out=out)
        for plan, scanners, out in ((by_scanner, "A", "one"), (by_scanner, "AB", "two"), (overall, "AB", "without"))
    )
    assert not differs(one[0].answered[1][1], without[0].answered[1][1])
    assert differs(two[0].answered[0][1], without[0].answered[0][1])


def test_a_manifest_without_the_column_is_that_site_s_error(federate: Federate, compose_plan: Composer) -> None:
    plan, overall = compose_plan(*CORAL, "alignment.column=scanner"), compose_plan(*CORAL)
    with pytest.raises(RoundError, match=r"0 site.s. ready.*\n.*site-error .*data-unusable"):
        federate(plan, laid_out=overall)


def test_a_column_that_tells_no_site_s_scanners_apart_is_refused(federate: Federate, compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match=r"alignment.column=scanner has no effect: at no site does that column hold"):
        federate(compose_plan(*CORAL, "alignment.column=scanner"))
