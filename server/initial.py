"""The shared tensors before the first round: as they were built, with a head that the plan's ``initial`` makes."""

from __future__ import annotations

from flwr.serverapp import Grid
from torch import Tensor

from fedgraft.common.plan import Plan
from fedgraft.server.ledger import Ledger
from fedgraft.server.roster import Roster


def initial_shared(
    grid: Grid, plan: Plan, roster: Roster, built: dict[str, Tensor], ledger: Ledger
) -> dict[str, Tensor]:
    """``built``, with the head's tensors replaced if the plan says so."""
    return built
