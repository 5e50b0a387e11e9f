"""What is not submitted: a plan with parts that no site has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fedgraft.common.cli import main
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.launch import launch


def test_classes_of_a_notebook_are_refused_before_anything_else(
    compose_plan: Callable[..., Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = compose_plan().to_dict()
    raw["loss"]["_target_"], raw["head"] = "__notebook__.loss.Mine", {"_target_": "__notebook__.head.Own"}
    with pytest.raises(PlanError) as caught:
        launch(Folder(tmp_path), from_dict(raw), None)
    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        "head._target_=__notebook__.head.Own is a class of a notebook, for simulations there",
        "loss._target_=__notebook__.loss.Mine is a class of a notebook, for simulations there",
    ]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    for dry in ([], ["--dry-run"]):
        assert main(["coordinator", "run", str(tmp_path), "--plan", str(tmp_path / "plan.yaml"), *dry]) == 2
        said = capsys.readouterr().err
        assert "write it into a module of a package that the plan and the sites allow (docs/extending.md)" in said
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]


def test_a_notebook_s_own_data_set_and_partition_are_no_obstacle(
    compose_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    """Hospitals have cases of their own."""
    raw = compose_plan().to_dict()
    raw["data"]["_target_"] = "__notebook__.data.mine"
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(PlanError, match=r"data._target_=__notebook__.data.mine"):
        launch(Folder(tmp_path), from_dict(raw), None)
    plan = from_dict(raw).for_hospitals()
    assert plan.data.target is None
