"""What is known of Flower's strategies, and what one of one's own says of itself."""

from __future__ import annotations

from typing import ClassVar

import flwr.serverapp.strategy as flower
import pytest
from flwr.serverapp.strategy import FedAvg, Strategy

from fedgraft.common.interfaces.strategy import clips_at_sites, is_mean, is_private, takes_steps

CLASSES = [found for name in flower.__all__ if isinstance(found := getattr(flower, name), type)]


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_flower_s_classes(found: type) -> None:
    name = found.__name__
    assert is_private(found) == name.startswith("DifferentialPrivacy")
    assert clips_at_sites(found) == name.startswith("DifferentialPrivacyClientSide")
    assert takes_steps(found) == (name in ("FedAdagrad", "FedAdam", "FedAvgM", "FedYogi"))
    assert is_mean(found) == (name in ("FedAvg", "FedProx"))


class Noisy(FedAvg):
    is_private: ClassVar[bool] = True
    takes_steps: ClassVar[bool] = True


def test_a_strategy_of_one_s_own_says_it() -> None:
    assert is_private(Noisy)
    assert takes_steps(Noisy)
    assert not is_mean(Noisy)
    assert not is_private(Strategy)
