"""What is tracked of a run, read back by the programs themselves; and what is said where one is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.server.deployment.launch import require_deployable
from fedgraft.server.tracking.tracker import Untracked, figures, parameters, require_tracking, tracked

PlanOf = Callable[..., Plan]
LINE: dict[str, Any] = {
    "round": 1,
    "updated": ["north"],
    "train_loss": 0.5,
    "bytes": {"up": 10, "down": 20},
    "test": {"auroc": 0.75, "auprc": None, "findings": {"a b": {"auroc": 0.5}}},
    "sites": {"north": {"val": {"auroc": 0.625}}},
}
FIGURES = {
    "train_loss": 0.5,
    "bytes/up": 10.0,
    "bytes/down": 20.0,
    "test/auroc": 0.75,
    "test/findings/a b/auroc": 0.5,
    "sites/north/val/auroc": 0.625,
}
here = importlib.util.find_spec


def test_figures_are_all_numbers_of_a_round_by_name() -> None:
    assert figures(LINE) == FIGURES
    assert figures({"sites": {}, "converged": True, "fit": {"ridge": 1}}) == {"fit/ridge": 1.0}


def test_parameters_are_the_plans_options_and_its_digest(compose_plan: PlanOf) -> None:
    plan = compose_plan("tracking=tensorboard", "rounds=3", "hold_out=[]")
    found = parameters(plan)
    assert (found["plan_digest"], found["rounds"], found["tracking.name"]) == (plan.digest, "3", "tensorboard")
    assert "hold_out" not in found and found["data.classes"].startswith('["')


def test_tracking_is_no_part_of_the_digest(compose_plan: PlanOf, tmp_path: Path) -> None:
    plain, tracking = compose_plan(), compose_plan("tracking=mlflow", f"tracking.folder={tmp_path}")
    assert plain.digest == tracking.digest and plain != tracking
    assert from_dict(tracking.to_dict()) == tracking


def test_a_folder_without_tracking_has_no_effect(compose_plan: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"tracking\.folder has no effect with tracking=none; use tracking=mlflow or"):
        compose_plan("tracking.folder=elsewhere")


@pytest.mark.parametrize("name, title", [("mlflow", "MLflow"), ("tensorboard", "TensorBoard")])
def test_a_package_that_is_missing_is_named_before_anything_is_done(
    compose_plan: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, title: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda found: None)
    plan = compose_plan(f"tracking={name}")
    said = f"tracking={name} needs {title}: pip install 'fedgraft[{name}]', or use tracking=none"
    for ask in (require_tracking, require_deployable):
        with pytest.raises(PlanError) as error:
            ask(plan)
        assert list(error.value.problems) == [said]
    with pytest.raises(PlanError), tracked(plan, tmp_path / "run"):
        pytest.fail("the run began")
    assert not (tmp_path / "run").exists()


def test_without_tracking_nothing_is_kept(compose_plan: PlanOf, tmp_path: Path) -> None:
    with tracked(compose_plan(), tmp_path) as tracker:
        assert isinstance(tracker, Untracked)
        tracker.figures(FIGURES, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run with a model and a card."""
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "about.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run" / "model-card.md").write_text("# A card\n", encoding="utf-8")
    yield tmp_path / "run"


def keep(plan: Plan, out: Path) -> None:
    with tracked(plan, out) as tracker:
        tracker.figures(FIGURES, 0)
        tracker.figures({**FIGURES, "test/auroc": 0.875}, 1)


@pytest.mark.skipif(here("tensorboard") is None, reason="TensorBoard is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_was_kept(compose_plan: PlanOf, run: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    keep(compose_plan("tracking=tensorboard"), run)
    keep(compose_plan("tracking=tensorboard"), run)  # again, in the place of the first
    keep(compose_plan("tracking=tensorboard", f"tracking.folder={tmp_path / 'all'}"), run)
    for place in (run / "tracking", tmp_path / "all" / "run"):
        found = EventAccumulator(str(place)).Reload()
        assert [(one.step, one.value) for one in found.Scalars("test/auroc")] == [(0, 0.75), (1, 0.875)]
        assert found.Scalars("sites/north/val/auroc")[0].value == 0.625
        texts = {name: found.Tensors(name)[0].tensor_proto.string_val[0].decode() for name in found.Tags()["tensors"]}
        assert "# A card" in texts["model card/text_summary"] and "model-card.md" in texts["files/text_summary"]
        assert "| rounds |" in texts["plan/text_summary"]


@pytest.mark.skipif(here("mlflow") is None, reason="MLflow is not installed")
@pytest.mark.filterwarnings("ignore")  # of its own, at import and in its database
def test_mlflow_reads_what_was_kept(compose_plan: PlanOf, run: Path) -> None:
    from mlflow.tracking import MlflowClient

    plan = compose_plan("tracking=mlflow")
    keep(plan, run)
    with pytest.raises(ZeroDivisionError), tracked(plan, run):
        _ = 1 / 0
    client = MlflowClient(tracking_uri=f"sqlite:///{run / 'tracking' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fedgraft")
    assert experiment is not None
    failed, done = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert (failed.info.status, done.info.status, done.info.run_name) == ("FAILED", "FINISHED", "run")
    assert done.data.params["plan_digest"] == plan.digest and done.data.metrics["test/auroc"] == 0.875
    assert [one.step for one in client.get_metric_history(done.info.run_id, "test/findings/a b/auroc")] == [0, 1]
    assert {one.path for one in client.list_artifacts(done.info.run_id)} == {"model", "model-card.md"}
    assert [one.path for one in client.list_artifacts(done.info.run_id, "model")] == ["model/about.json"]
