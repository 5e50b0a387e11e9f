"""A site's sums: of what the head takes, over training cases, if they may leave; and what is written down."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from fedgraft.client.app.head_sums import site_sums, tell_sums
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.training.before_head import inputs_of_weights
from fedgraft.client.training.session import Session
from fedgraft.common import tensors
from fedgraft.common.errors import WireError
from fedgraft.common.features.keep import ranking_sums
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import Purpose, SumsQuestion, pack_sums_question, unpack_sums
from fedgraft.simulations.federation.sites import lay_out

Composer = Callable[..., Plan]
Opened = tuple[Session, Workspace, Path]


@pytest.fixture
def opened(
    compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Opened]:
    """``opened("initial=prototypes")``: the first phantom hospital, prepared for the plan."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(*overrides: str, release: str = "{min_count: 1}", folder: str = "sites") -> Opened:
        plan = compose_plan(*overrides)
        site = next(iter(lay_out(plan, tmp_path / folder, os.environ).sites.values()))
        site.write_text(f"{site.read_text()}release: {release}\n")
        workspace, state = Workspace(), build(plan, None).backbone_state()
        digest = tensors.digest(state)
        workspace.accept_plan(workspace.site(site), plan.to_json(), plan.digest, digest)
        workspace.accept_backbone(workspace.site(site), digest, {digest: state})
        return workspace.open(site, plan.digest, 7), workspace, site

    return go


def asked(session: Session) -> SumsQuestion:
    return SumsQuestion(session.plan.digest, {}, None)


@pytest.mark.parametrize("freeze", ["all", "blocks.2", "none"])
def test_the_head_takes_the_same_whatever_is_kept(opened: Callable[..., Opened], freeze: str) -> None:
    """Features, a stage's output or images are kept; the head sees the backbone's features of each case."""
    session, _, _ = opened("initial=prototypes", f"backbone.freeze={freeze}", "head=plain")
    whole, _, _ = opened(
        "initial=prototypes", f"backbone.freeze={freeze}", "head=plain", "engine.keep=false", folder="b"
    )
    found = inputs_of_weights(session.model.constant.trained, session.cohort["train"], session.device)
    with torch.no_grad():
        features = whole.model.network.backbone(whole.cohort["train"].inputs)
    torch.testing.assert_close(found, features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_what_the_head_does_to_features_is_honoured(opened: Callable[..., Opened], head: str) -> None:
    session, _, _ = opened("initial=prototypes", f"head={head}")
    train = session.cohort["train"]
    made = functional.normalize if head == "cosine" else lambda x: functional.layer_norm(x, x.shape[1:])
    seen = made(train.inputs).double()
    sums = site_sums(session, asked(session))
    assert sums is not None
    assert sums["counts"].tolist() == [int((train.labels == c).sum()) for c in (0, 1)]
    torch.testing.assert_close(sums["sums"], torch.stack([seen[train.labels == c].sum(0) for c in (0, 1)]))


def test_they_are_of_the_model_before_any_training(opened: Callable[..., Opened]) -> None:
    """Also if the network of this process holds what another site has trained."""
    session, _, _ = opened("initial=prototypes", "backbone.freeze=blocks.2")
    first = site_sums(session, asked(session))
    with torch.no_grad():
        for parameter in session.model.network.parameters():
            parameter.add_(parameter.requires_grad * 0.1)
    second = site_sums(session, asked(session))
    assert first is not None
    assert second is not None
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "release", ["{min_count: 1000}", "{min_count: 1, statistics: false}", "{min_count: 1, class_counts: false}"]
)
def test_a_site_withholds_what_may_not_leave(opened: Callable[..., Opened], release: str) -> None:
    session, workspace, site = opened("initial=prototypes", release=release)
    answer = unpack_sums(tell_sums(pack_sums_question(asked(session)), workspace, site, 7), {})
    assert (answer.site, answer.sums) == (session.site.name, None)
    (line,) = [json.loads(text) for text in session.release_log.read_text().splitlines()]
    assert (line["what"], line["run"], line["plan"], line["withheld"]) == ("sums", 7, session.plan.digest, True)


def test_what_leaves_is_what_is_written_down(opened: Callable[..., Opened]) -> None:
    session, workspace, site = opened("initial=ridge")
    sums = site_sums(session, asked(session))
    assert sums is not None
    content = tell_sums(pack_sums_question(asked(session)), workspace, site, 7)
    sent = unpack_sums(content, messages.specs_of(sums)).sums
    assert sent is not None
    assert all(torch.equal(sent[name], tensor) for name, tensor in sums.items())
    (line,) = [json.loads(text) for text in session.release_log.read_text().splitlines()]
    assert line["what"] == "sums"
    assert line["counts"] == sums["counts"].tolist()
    assert line["tensors"]["moments"] == [[256 * 257 // 2], round(float(sums["moments"].norm()), 6)]


def test_a_plan_that_does_not_ask_gets_no_answer(opened: Callable[..., Opened]) -> None:
    session, workspace, site = opened()
    with pytest.raises(WireError, match="the plan asks this site for no sums"):
        tell_sums(pack_sums_question(asked(session)), workspace, site, 7)


def test_a_held_out_site_is_not_asked(opened: Callable[..., Opened]) -> None:
    session, workspace, site = opened("initial=prototypes", "hold_out=[alder]")
    assert session.site.name == "alder"
    with pytest.raises(WireError, match="the plan asks this site for no sums"):
        tell_sums(pack_sums_question(asked(session)), workspace, site, 7)


@pytest.mark.parametrize(
    "overrides",
    [
        ("features=taps", "features.scale=own"),
        ("features=taps", "features.scale=case", "backbone.freeze=blocks.2"),
        ("features.scale=none", "engine.keep=false"),
    ],
)
def test_features_are_ranked_by_sums_over_all_of_them_scaled(
    opened: Callable[..., Opened], overrides: tuple[str, ...]
) -> None:
    """Whatever is kept of a case, and whatever the network held before."""
    session, workspace, site = opened("features.keep=20", *overrides)
    session.receive(session.initial)
    session.model.load({**session.initial, **session.local_tensors()})
    whole, _, _ = opened("features.keep=20", *overrides, "engine.keep=false", folder="b")
    whole.load(whole.initial)
    network, train = whole.model.network.eval(), whole.cohort["train"]
    with torch.no_grad():
        seen = network.scale(network.features(train.inputs)).double()
    for tensor in session.model.network.parameters():
        tensor.data.add_(tensor.requires_grad * 0.1)
    given = {name: session.initial[name] for name in session.model.names("given")}
    question = pack_sums_question(SumsQuestion(session.plan.digest, given, None, "ranking"))
    expected = ranking_sums(seen, train.labels, 2)
    sums = unpack_sums(tell_sums(question, workspace, site, 7), messages.specs_of(expected)).sums
    assert sums is not None
    assert seen.shape[1] == session.model.width > session.model.head_width == 20
    for name, tensor in expected.items():
        torch.testing.assert_close(sums[name], tensor, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("overrides", "purpose"), [(("initial=prototypes",), "ranking"), (("features.keep=5",), "initial")]
)
def test_sums_for_another_purpose_than_the_plans_are_not_told(
    opened: Callable[..., Opened], overrides: tuple[str, ...], purpose: Purpose
) -> None:
    session, workspace, site = opened(*overrides)
    given = {name: session.initial[name] for name in session.model.names("given")}
    with pytest.raises(WireError, match="the plan asks this site for no sums"):
        tell_sums(pack_sums_question(SumsQuestion(session.plan.digest, given, None, purpose)), workspace, site, 7)
