"""The graft from which another run begins: read, kept beside the run, and refused by name where it does not suit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedgraft.common import tensors
from fedgraft.common.errors import ModelError, PlanError
from fedgraft.common.model_folder.folder import write_model
from fedgraft.common.model_folder.graft import FILE, Graft, begun_from, graft_of_run, origin, read_graft
from fedgraft.common.model_folder.suits import require_suited
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan, from_dict

Composer = Callable[..., Plan]
SSF = ("adaptation=ssf",)


@pytest.fixture
def made(compose_plan: Composer, tmp_path: Path) -> Callable[..., Graft]:
    """``made("head=cosine")`` -> the graft of a run ``first`` with such a plan."""

    def graft(*words: str) -> Graft:
        plan = compose_plan(*words)
        write_model(tmp_path / "first" / "model", plan, build(plan, None))
        return read_graft(tmp_path / "first", plan.engine.trusted)

    return graft


def told(graft: Graft, plan: Plan) -> str:
    with pytest.raises(PlanError) as caught:
        require_suited(graft, plan, build(plan, None))
    return str(caught.value)


def test_it_is_what_sites_receive_and_its_digest_that_of_these(made: Callable[..., Graft], tmp_path: Path) -> None:
    graft = made(*SSF)
    model = build(graft.plan, None)
    assert set(graft.tensors) == set(model.received) and not set(graft.tensors) & set(model.names("frozen"))
    assert graft.digest == tensors.digest(model.tensors(model.received))
    assert graft.run == "first" == read_graft(tmp_path / "first" / "model", graft.plan.engine.trusted).run
    require_suited(graft, graft.plan, model)


def test_a_plan_holds_the_digest_only_and_the_run_holds_the_tensors(
    made: Callable[..., Graft], compose_plan: Composer, tmp_path: Path
) -> None:
    graft, plain = made(), compose_plan()
    assert "start_from" not in plain.to_dict()
    plan, found = begun_from(plain, tmp_path / "first")
    assert found is not None and plan.start_from == found.digest == graft.digest
    assert plan.digest != plain.digest and replace(plan, start_from=None).digest == plain.digest
    assert str(tmp_path) not in plan.to_json() and from_dict(plan.to_dict()) == plan
    graft.keep(tmp_path / "second")
    assert graft_of_run(tmp_path / "second", plain) is None
    again = graft_of_run(tmp_path / "second", plan)
    assert again is not None and (again.digest, again.frozen, again.run) == (graft.digest, graft.frozen, "first")
    assert begun_from(plan, None, tmp_path / "second")[0] == plan, "the graft lies beside its plan"
    assert origin(tmp_path / "second", plain) == (None, [])
    told = {"digest": graft.digest, "run": "first", "plan_digest": graft.plan.digest}
    assert origin(tmp_path / "second", plan)[0] == {**told, "plan_digest": graft.trained_by}
    (tmp_path / "second" / FILE).unlink()
    assert origin(tmp_path / "second", plan)[0] == {"digest": graft.digest, "run": None, "plan_digest": None}


def test_another_model_than_the_plan_s_is_refused(
    made: Callable[..., Graft], compose_plan: Composer, tmp_path: Path
) -> None:
    made()
    other = from_dict({**compose_plan().to_dict(), "start_from": "0" * 64})
    with pytest.raises(PlanError, match=r"begins from the model 000000000000, and that of .*first is"):
        begun_from(other, tmp_path / "first")
    with pytest.raises(PlanError, match="begins from a model that is not here; say where, by start_from=RUN"):
        begun_from(other, None, tmp_path)
    with pytest.raises(PlanError, match=r"start_from='runs/x'"):
        from_dict({**compose_plan().to_dict(), "start_from": "runs/x"})


def test_what_is_not_as_it_was_written_is_refused(made: Callable[..., Graft], tmp_path: Path) -> None:
    graft, trusted = made(), made().plan.engine.trusted
    plan = from_dict({**graft.plan.to_dict(), "start_from": "1" * 64})
    graft.keep(tmp_path)
    with pytest.raises(ModelError, match=r"holds .*, and the plan begins from 111111111111"):
        graft_of_run(tmp_path, plan)
    facts = tensors.about(tmp_path / FILE)
    tensors.save(tmp_path / FILE, {name: one + 1 for name, one in graft.tensors.items()}, facts)
    with pytest.raises(ModelError, match="is damaged: its digest is another"):
        read_graft(tmp_path / FILE, trusted)
    (tmp_path / FILE).write_bytes(b"x")
    with pytest.raises(ModelError, match="can't be read as the graft"):
        read_graft(tmp_path / FILE, trusted)
    with pytest.raises(ModelError, match="is no folder; name a model's folder"):
        read_graft(tmp_path / "nowhere", trusted)
    said = {"complete": False, "reason": "it was stopped", "final_round": 3}
    (tmp_path / "first" / "summary.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match=r"not complete \(it was stopped\): resume it .*, the model of its round 3"):
        read_graft(tmp_path / "first", trusted)
    assert read_graft(tmp_path / "first" / "model", trusted).digest == graft.digest


def test_names_and_shapes_that_do_not_match_are_named(made: Callable[..., Graft], compose_plan: Composer) -> None:
    plain, ssf = made(), compose_plan(*SSF)
    assert "first lacks adapters." in told(plain, ssf) and "which this plan trains" in told(plain, ssf)
    assert "this plan has no adapters." in told(made(*SSF), compose_plan())
    three = compose_plan("data.classes=[a,b,c]")
    assert "start_from: head.bias is float32 (2,) in first, and float32 (3,) in this plan" in told(plain, three)


def test_nothing_in_common_is_refused(made: Callable[..., Graft], compose_plan: Composer) -> None:
    strange = replace(made(), tensors={"other.weight": torch.zeros(2)})
    text = told(strange, compose_plan())
    assert "first has none of the tensors that this plan trains (head.bias, head.weight); its own are other" in text


def test_another_backbone_or_task_is_refused(made: Callable[..., Graft], compose_plan: Composer) -> None:
    """A random backbone is drawn from the seed."""
    graft = made()
    assert "was trained on another backbone (test_efficientnet, or other weights" in told(graft, compose_plan("seed=3"))
    swapped = compose_plan("data.classes=[lesion,clear]")
    assert "in another order (clear, lesion); set data.classes=[clear,lesion]" in told(graft, swapped)
    survival = replace(graft, plan=replace(graft.plan, data=replace(graft.plan.data, task="survival")))
    assert "with data.task=survival, and this plan has classification" in told(survival, compose_plan())


def test_what_looks_otherwise_now_is_said(made: Callable[..., Graft], compose_plan: Composer, tmp_path: Path) -> None:
    graft = made()
    graft.keep(tmp_path)
    wider = compose_plan("dicom.window=lung", "dicom.choice=0", "data.classes=[a,b]")
    plan = from_dict({**wider.to_dict(), "start_from": graft.digest})
    sentences = origin(tmp_path, plan)[1]
    assert sentences[0].startswith("start_from: first was trained with another dicom: what a case looks like")
    assert sentences[1].endswith("trained to tell clear, lesion apart; its head begins as that of a, b")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("initial=prototypes", "start_from brings the head, and `initial` would replace it; set initial=none"),
        ("strategy=exact", "start_from has no effect with strategy=exact"),
    ],
)
def test_what_would_have_no_effect_is_refused(compose_plan: Composer, words: str, told: str) -> None:
    plan = compose_plan(words, *(("head=plain", "features=taps") if "exact" in words else ()))
    with pytest.raises(PlanError, match=told):
        from_dict({**plan.to_dict(), "start_from": "0" * 64})


def test_shares_of_the_way_from_the_graft_can_be_tried(compose_plan: Composer) -> None:
    raw = compose_plan().to_dict()
    raw["initial"]["interpolate"] = [0.5, 1.0]
    with pytest.raises(PlanError, match=r"needs an initial head that tells classes apart .*or start_from"):
        from_dict(raw)
    assert from_dict({**raw, "start_from": "0" * 64}).initial.interpolate == (0.5, 1.0)
