"""What a site tells of its features' moments, and what it keeps to itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.app.feature_moments import tell_moments
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.training.session import Session
from fedgraft.common import tensors
from fedgraft.common.errors import WireError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.feature_moments import pack_moments_question, unpack_moments
from fedgraft.simulations.federation.sites import lay_out

Composer = Callable[..., Plan]
Opened = tuple[Session, Workspace, Path]


@pytest.fixture
def opened(
    compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Opened]:
    """``opened("features=taps")``: the first phantom hospital, prepared for the plan."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(*overrides: str, release: str = "{min_count: 1}") -> Opened:
        plan = compose_plan(*overrides)
        site = next(iter(lay_out(plan, tmp_path / "sites", os.environ).sites.values()))
        site.write_text(f"{site.read_text()}release: {release}\n")
        workspace, state = Workspace(), build(plan, None).backbone_state()
        digest = tensors.digest(state)
        workspace.accept_plan(workspace.site(site), plan.to_json(), plan.digest, digest)
        workspace.accept_backbone(workspace.site(site), digest, {digest: state})
        return workspace.open(site, plan.digest, 7), workspace, site

    return go


@pytest.mark.parametrize(
    "overrides",
    [
        ("features=taps",),
        ("features=taps", "backbone.freeze=blocks.2"),
        ("features=taps", "engine.keep=false"),
        ("features.scale=own", "features.shrink=2"),
        ("features=taps", "adaptation=ssf", "features.scale=auto"),
    ],
)
def test_they_are_those_of_the_untrained_models_features(
    opened: Callable[..., Opened], overrides: tuple[str, ...]
) -> None:
    """Whatever is kept of a case, and whatever the network held before."""
    session, workspace, site = opened(*overrides)
    images, _, _ = opened(*overrides, "engine.keep=false")
    seen = images.model.network.eval().features(images.cohort["train"].inputs).detach().double().numpy()
    for tensor in session.model.network.parameters():
        tensor.data.add_(tensor.requires_grad * 0.1)
    found = unpack_moments(
        tell_moments(pack_moments_question(session.plan.digest), workspace, site, 7), session.model.width
    ).moments
    assert found is not None and found.cases == len(seen)
    np.testing.assert_allclose(found.mean, seen.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.variance, seen.var(0), rtol=1e-3, atol=1e-7)


def test_what_leaves_is_written_down(opened: Callable[..., Opened]) -> None:
    session, workspace, site = opened("features=taps")
    content = tell_moments(pack_moments_question(session.plan.digest), workspace, site, 7)
    sent = unpack_moments(content, session.model.width).moments
    assert sent is not None
    (line,) = [json.loads(text) for text in session.release_log.read_text().splitlines()]
    assert (line["what"], line["run"], line["plan"]) == ("moments", 7, session.plan.digest)
    assert (line["cases"], line["features"]) == (sent.cases, session.model.width)
    assert line["tensors"]["mean"] == round(float(sent.mean.norm()), 6)


@pytest.mark.parametrize("release", ["{min_count: 1000}", "{min_count: 1, statistics: false}"])
def test_a_site_withholds_what_may_not_leave(opened: Callable[..., Opened], release: str) -> None:
    session, workspace, site = opened("features=taps", release=release)
    answer = unpack_moments(tell_moments(pack_moments_question(session.plan.digest), workspace, site, 7), 1)
    assert (answer.site, answer.moments) == (session.site.name, None)
    (line,) = [json.loads(text) for text in session.release_log.read_text().splitlines()]
    assert (line["what"], line["withheld"]) == ("moments", True)


@pytest.mark.parametrize(
    "overrides",
    [(), ("features.scale=own",), ("features.scale=case",), ("features.scale=common", "hold_out=[alder]")],
)
def test_who_is_not_to_be_asked_does_not_answer(opened: Callable[..., Opened], overrides: tuple[str, ...]) -> None:
    session, workspace, site = opened(*overrides)
    with pytest.raises(WireError, match="the plan asks this site for no moments of features"):
        tell_moments(pack_moments_question(session.plan.digest), workspace, site, 7)
    assert not session.release_log.exists()
