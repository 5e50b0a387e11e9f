"""A site's answer to ``query.gradient``: to whom, what it says, and what is written down."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from flwr.app import ArrayRecord, RecordDict
from torch import Tensor

from fedgraft.client.app.gradient import tell_gradient
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import SiteFileError, WireError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.wire.gradient import pack_gradient_question, unpack_gradient
from fedgraft.simulations.federation.sites import lay_out

Composer = Callable[..., Plan]
TASK = Classification(("clear", "lesion"))


@pytest.fixture
def site_of(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Workspace, Path, dict[str, Tensor]]]:
    """``site_of(plan)``: a workspace with the first phantom hospital prepared, its site file, and the head as built."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(plan: Plan, release: str = "{min_count: 1}") -> tuple[Workspace, Path, dict[str, Tensor]]:
        site = next(iter(lay_out(plan, tmp_path / "sites", os.environ).sites.values()))
        site.write_text(f"{site.read_text()}release: {release}\n")
        workspace, model = Workspace(), build(plan, None)
        digest = model.backbone_name
        workspace.accept_plan(workspace.site(site), plan.to_json(), plan.digest, digest)
        workspace.accept_backbone(workspace.site(site), digest, model.backbone_states())
        return workspace, site, {name: t.double() for name, t in model.tensors(model.names("shared")).items()}

    return go


Opened = Callable[..., tuple[Workspace, Path, dict[str, Tensor]]]


def test_the_loss_at_a_head_of_zeros_is_log_2_for_each_case(compose_plan: Composer, site_of: Opened) -> None:
    plan = compose_plan("strategy=exact", "strategy.precision=float64", "loss.weights=none")
    workspace, site, head = site_of(plan)
    content = tell_gradient(pack_gradient_question(head, {}, plan.digest, 1, None, True), workspace, site, 7)
    session = workspace.open(site, plan.digest, 7)
    found = unpack_gradient(content, session.specs, "float64", TASK)
    cases = len(session.cohort["train"])
    assert (found.site, found.plan_digest, found.round, found.examples) == (session.site.name, plan.digest, 1, cases)
    assert found.loss == pytest.approx(cases * 0.6931471805599453, abs=1e-9)
    labels = session.cohort["train"].labels
    assert found.tensors["head.bias"].tolist() == [cases / 2 - int((labels == c).sum()) for c in (0, 1)]
    assert found.evaluations["val"].cases == len(session.cohort["val"])
    again = tell_gradient(pack_gradient_question(head, {}, plan.digest, 1, None, False), workspace, site, 7)
    assert unpack_gradient(again, session.specs, "float64", TASK).evaluations == {}


def test_what_left_is_written_down_by_norms(compose_plan: Composer, site_of: Opened) -> None:
    plan = compose_plan("strategy=exact", "strategy.precision=float64")
    workspace, site, head = site_of(plan)
    content = tell_gradient(pack_gradient_question(head, {}, plan.digest, 3, (5, 6), False), workspace, site, 7)
    session = workspace.open(site, plan.digest, 7)
    found = unpack_gradient(content, session.specs, "float64", TASK)
    line = json.loads(session.release_log.read_text().splitlines()[-1])
    assert (line["what"], line["run"], line["plan"], line["round"]) == ("gradient", 7, plan.digest, 3)
    assert (line["examples"], line["loss"], line["evaluations"]) == (found.examples, found.loss, {})
    norms = {name: round(float(torch.linalg.vector_norm(tensor)), 6) for name, tensor in found.tensors.items()}
    assert line["tensors"] == norms


@pytest.mark.parametrize("forbidden", ["train_loss", "class_counts", "statistics"])
def test_a_site_that_forbids_what_a_gradient_tells_sends_nothing(
    compose_plan: Composer, site_of: Opened, forbidden: str
) -> None:
    """At weights of zero it is made of the class counts and the sums of features by class."""
    plan = compose_plan("strategy=exact", "strategy.precision=float64")
    workspace, site, head = site_of(plan, f"{{{forbidden}: false}}")
    words = f"strategy=exact asks for gradients, which tell what release.{forbidden} forbids here; nothing was sent"
    with pytest.raises(SiteFileError, match=words):
        tell_gradient(pack_gradient_question(head, {}, plan.digest, 1, (5, 6), True), workspace, site, 7)
    assert not workspace.open(site, plan.digest, 7).release_log.exists()


@pytest.mark.parametrize(
    "overrides", [("strategy=fedavg",), ("strategy=exact", "strategy.precision=float64", "hold_out=[alder]")]
)
def test_who_is_not_asked_to_does_not_tell(compose_plan: Composer, site_of: Opened, overrides: tuple[str, ...]) -> None:
    plan = compose_plan(*overrides)
    workspace, site, head = site_of(plan)
    with pytest.raises(WireError, match="the plan asks this site for no gradients"):
        tell_gradient(pack_gradient_question(head, {}, plan.digest, 1, (5, 6), True), workspace, site, 7)


def test_weights_must_be_float64(compose_plan: Composer, site_of: Opened) -> None:
    plan = compose_plan("strategy=exact", "strategy.precision=float64")
    workspace, site, head = site_of(plan)
    narrow = {name: tensor.float() for name, tensor in head.items()}
    with pytest.raises(WireError, match="has dtype float32, the plan says float64"):
        tell_gradient(pack_gradient_question(narrow, {}, plan.digest, 1, (5, 6), True), workspace, site, 7)


def test_given_tensors_are_kept_for_the_questions_that_do_not_bring_them(
    compose_plan: Composer, site_of: Opened
) -> None:
    """Also by another process, which Flower starts for every message."""
    plan = compose_plan("strategy=exact", "strategy.precision=float64", "features=taps", "loss.weights=none")
    workspace, site, head = site_of(plan)
    width = head["head.weight"].shape[1]
    given = {"scale.mean": torch.full((width,), 0.5), "scale.deviation": torch.full((width,), 2.0)}
    later = pack_gradient_question(head, {}, plan.digest, 1, None, False)
    with pytest.raises(WireError, match="the tensors that scale features never came"):
        tell_gradient(later, workspace, site, 7)
    first = tell_gradient(pack_gradient_question(head, given, plan.digest, 1, None, False), workspace, site, 7)
    for again in (workspace, Workspace()):
        answer = tell_gradient(later, again, site, 7)
        same = unpack_gradient(
            answer,
            {name: spec for name, spec in again.open(site, plan.digest, 7).specs.items() if name.startswith("head.")},
            "float64",
            TASK,
        )
        assert torch.equal(same.tensors["head.weight"], _weight(first))


def _weight(content: RecordDict) -> Tensor:
    record = content["arrays"]
    assert isinstance(record, ArrayRecord)
    weight = torch.from_numpy(record["head.weight"].numpy().copy())
    return torch.cat([weight, -weight]) if len(weight) == 1 else weight
