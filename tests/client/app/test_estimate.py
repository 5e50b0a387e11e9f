"""How long a round takes a site, reckoned from a few cases that are timed; numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.app import estimate
from fedgraft.client.features.examples import Examples
from fedgraft.client.site.timing import Phases
from fedgraft.common.personalisation.ditto import Ditto
from fedgraft.common.plan.plan import Plan


class Slow(nn.Module):
    """Takes 0.1 s for each row, and 40 s more the first time."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__()
        self._clock, self._first = clock, 40.0

    def forward(self, inputs: Tensor) -> Tensor:
        self._clock[0] += self._first + 0.1 * len(inputs)
        self._first = 0.0
        return inputs


def examples(cases: int, views: int = 1) -> Examples:
    places = torch.arange(cases * views).reshape(cases, views)
    return Examples(torch.zeros(cases * views, 3), torch.zeros(cases, dtype=torch.int64), places)


@pytest.fixture
def seconds(compose_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch) -> Callable[..., float | None]:
    """`round_seconds` of a site with 20 training cases, 5 for validation and 10 for tests with two views each."""
    clock = [0.0]
    monkeypatch.setattr(estimate, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def reckoned(*words: str, **changes: Any) -> float | None:
        model = SimpleNamespace(constant=SimpleNamespace(trained=Slow(clock)))
        plan = compose_plan("train.epochs=2", *words)
        given: dict[str, Any] = {
            "held_out": "north" in plan.hold_out,
            "plan": plan,
            "model": model,
            "cohort": {"train": examples(20), "val": examples(5), "test": examples(10, views=2)},
            "phases": Phases({"build": 2.2, "cohort": 3.0}),
            "personal": None,
            "device": torch.device("cpu"),
        }
        return estimate.round_seconds(SimpleNamespace(**{**given, **changes}))  # type: ignore[arg-type]

    return reckoned


def test_what_a_round_does_is_reckoned(seconds: Callable[..., float | None]) -> None:
    """5.2 s to open; 25 views evaluated, 2.5 s; 20 cases in two epochs, three passes each, 12 s: 19.7 s, told as 20."""
    assert seconds() == 20.0
    assert seconds("train.epochs=4") == 32.0, "31.7 s"


def test_what_was_computed_once_is_not_in_it(seconds: Callable[..., float | None]) -> None:
    assert seconds(phases=Phases({"build": 2.2, "cohort": 3000.0}, computed=35)) == 17.0, "16.7 s"


def test_a_site_that_is_held_out_evaluates_only(seconds: Callable[..., float | None]) -> None:
    assert seconds("hold_out=[north]") == 7.7


def test_a_copy_of_its_own_is_trained_too(seconds: Callable[..., float | None]) -> None:
    assert seconds(personal=Ditto(1.0)) == 32.0, "31.7 s"


def test_without_a_case_nothing_is_told(seconds: Callable[..., float | None]) -> None:
    assert seconds(cohort={"train": examples(0), "val": examples(0), "test": examples(0)}) is None
