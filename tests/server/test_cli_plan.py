"""`fedgraft coordinator run` and the plan of a simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.cli import main
from fedgraft.server.deployment.folder import Settings, create


@pytest.mark.parametrize("of_a_simulation", [True, False])
def test_what_only_a_simulation_reads_is_left_out_and_that_is_said(
    compose_plan: Callable[..., Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str], of_a_simulation: bool
) -> None:
    """The coordinator is not running: the command ends after it has read the plan."""
    folder = create(tmp_path / "coordinator", Settings(("127.0.0.1",), 8443, "127.0.0.1", 8444))
    plan, file = compose_plan("data=busi"), tmp_path / "plan.yaml"
    file.write_text((plan if of_a_simulation else plan.for_hospitals()).to_yaml(), encoding="utf-8")
    with pytest.raises(DeploymentError, match="is not running"):
        main(["run", str(folder.root), "--plan", str(file)])
    said = capsys.readouterr().out
    names = "fedgraft.simulations.datasets.busi.busi, fedgraft.simulations.federation.partition.iid"
    sentence = f"its data set and partition ({names}) are left out; each hospital's own site.yaml names its cases"
    assert (sentence in said) == of_a_simulation
