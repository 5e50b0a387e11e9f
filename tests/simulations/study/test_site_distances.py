"""A study says how far sites lie apart, as its first federation found it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.study.study import _apart


def test_the_first_federation_s_distances_are_said(compose_plan: Callable[..., Plan], tmp_path: Path) -> None:
    one = {"nearest": "oak", "deviations": 3.04, "by_chance": 0.9, "differs": True}
    for seed, told in ((0, {"site_distances": {"before": {"elm": one}}}), (1, {})):
        folder = tmp_path / "runs" / f"seed-{seed}" / "federated" / "lr-0.1"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps(told))
    (said,) = _apart(compose_plan("site_distances=true"), tmp_path)
    assert said.startswith("elm's features differ from those of every other site (nearest: oak, 3.0 deviations")
    assert (
        _apart(compose_plan(), tmp_path) == () == _apart(compose_plan("site_distances=true"), tmp_path / "runs/seed-1")
    )
