"""A strategy of one's own says of itself that it is private, and is then asked for what Flower's private ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.aggregation.strategies import build_strategy

PlanOf = Callable[..., Plan]
OURS = """
from flwr.serverapp.strategy import FedAvg


class Noisy(FedAvg):
    is_private = True
"""


def test_what_sites_tell_besides_updates_is_refused_beside_a_private_strategy_of_one_s_own(
    compose_plan: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy_strategy.py").write_text(OURS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = ("engine.allow=[noisy_strategy]", "strategy._target_=noisy_strategy.Noisy")
    assert type(build_strategy(compose_plan(*chosen))).__name__ == "Noisy"
    plan = compose_plan(*chosen, "alignment=coral", "harmonise=histogram")
    with pytest.raises(PlanError, match="alignment shares moments of features that a Differential") as caught:
        build_strategy(plan)
    assert [text.split(" shares ")[0] for text in caught.value.problems] == ["alignment", "harmonise with reference=[]"]
    build_strategy(compose_plan("alignment=coral", "strategy=fedavg"))
