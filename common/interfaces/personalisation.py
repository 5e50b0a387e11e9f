"""What a site trains for itself: what a plan's ``personal._target_`` must be.

Every personalisation says its budget. What else it does it says by the protocols whose methods it has: one or several
of `KeepsTensors`, `TrainsItsOwnWay`, `TrainsCopy` and `FinishesModel`. Without ``personal`` a site trains plainly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Chosen = Callable[[str], bool]
"""Whether a parameter, by its name in the trained network, is one of those that are meant."""


class SiteTraining(Protocol):
    """A site's training of one network in one round, as the plan and the coordinator's message mean it."""

    @property
    def epochs(self) -> int:
        """``train.epochs`` of the plan."""

    def run(
        self,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        mu: float | None = None,
        only: Chosen | None = None,
    ) -> float:
        """Train the network in place, with what is given here instead of the plan's.

        Args:
            epochs: over the site's training cases.
            lr: this round's rate.
            mu: weight of the proximal term ``mu / 2 * sum |w - w_received|^2``.
            only: parameters that are trained; all others are held. ``None`` for all that the plan trains.

        Returns:
            the mean loss per case over the epochs, without the proximal term.
        """

    def trains(self, only: Chosen) -> bool:
        """Whether `run` would train any of these parameters in this round (``train.unfreeze`` holds some at first)."""


@runtime_checkable
class Personalisation(Protocol):
    """A way in which a site's model differs from the shared one."""

    def budget(self, rounds: int, epochs: int) -> float:
        """How many times ``rounds * epochs`` a site that trains in every round is shown each of its cases, for the
        shared model and for what is its own."""


@runtime_checkable
class KeepsTensors(Protocol):
    """Some tensors of the model never leave the site."""

    def local(self) -> tuple[str, ...]:
        """How their names in the model's state begin."""


@runtime_checkable
class TrainsItsOwnWay(Protocol):
    """A round's training is not one run of what the plan means."""

    def train(self, training: SiteTraining) -> float:
        """Train what is shared, and what stays at the site; returns the mean loss per case."""


@runtime_checkable
class TrainsCopy(Protocol):
    """A site trains a copy of the model for itself, keeps it on its disk, and is evaluated by it."""

    def train_copy(self, training: SiteTraining) -> None:
        """One round's training of the copy, after the update of the shared model was taken.

        The network is the copy as the site's last round left it (in its first round: the model that came); the proximal
        term stays near what came in this round.
        """


@runtime_checkable
class FinishesModel(Protocol):
    """A site changes the final model before it evaluates it, for this evaluation only."""

    def finish(self, training: SiteTraining) -> None:
        """Train the final model, which the network is."""
