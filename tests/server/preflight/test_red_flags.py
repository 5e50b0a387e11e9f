"""Before a plan is submitted, what makes it dangerous is said, whether or not the coordinator is running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.preflight.checking import check


def test_a_dangerous_plan_is_named_before_it_is_submitted(
    compose_plan: Callable[..., Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DeploymentError):
        check(Folder(tmp_path), compose_plan("strategy=exact"), False)
    assert "red flag, gradients in the clear: with strategy=exact in the clear" in capsys.readouterr().out
    with pytest.raises(DeploymentError):
        check(Folder(tmp_path), compose_plan(), False)
    assert "red flag" not in capsys.readouterr().out
