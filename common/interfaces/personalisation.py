"""Personalisation: what a plan's ``personal._target_`` must be.

Every personalisation has a `Personalisation.budget`, and implements one or more of `KeepsTensors`, `TrainsItsOwnWay`,
`TrainsCopy` and `FinishesModel`. Without ``personal`` a site runs the training loop once per round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Chosen = Callable[[str], bool]
"""``(name in the trained network) -> whether this parameter is chosen``."""


class SiteTraining(Protocol):
    """A site's training of one network in one round, by the plan and the coordinator's message."""

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
        """Train the network in place; arguments override the plan's values.

        Args:
            epochs: epochs over the site's training cases.
            lr: the learning rate.
            mu: weight of the proximal term ``mu / 2 * sum |w - w_received|^2``.
            only: the parameters to train, all others are frozen; ``None`` for all that the plan trains.

        Returns:
            the mean loss per case over the epochs, without the proximal term.
        """

    def trains(self, only: Chosen) -> bool:
        """Whether `run` would train any of these parameters in this round (see ``train.unfreeze``)."""


@runtime_checkable
class Personalisation(Protocol):
    """A way in which a site's model differs from the shared one."""

    def budget(self, rounds: int, epochs: int) -> float:
        """How often a site that trains in every round shows each of its cases, for the shared model and for its own,
        in multiples of ``rounds * epochs``."""


@runtime_checkable
class KeepsTensors(Protocol):
    """Some tensors of the model never leave the site."""

    def local(self) -> tuple[str, ...]:
        """The prefixes of their names in the model's state."""


def keeps_intercept_only(personal: object) -> bool:
    """Whether all that it keeps at a site is the head's ``bias`` (``keeps_intercept_only``): where sites do not train,
    each can then solve for its own. ``personal`` is a `Personalisation` or its class."""
    return bool(getattr(personal, "keeps_intercept_only", False))


@runtime_checkable
class TrainsItsOwnWay(Protocol):
    """A round's training is something else than one `SiteTraining.run`."""

    def train(self, training: SiteTraining) -> float:
        """Train the shared and the local tensors for one round; returns the mean loss per case."""


@runtime_checkable
class TrainsCopy(Protocol):
    """A site trains a copy of the model, keeps it on its disk, and evaluates the copy."""

    def train_copy(self, training: SiteTraining) -> None:
        """Train the copy for one round, after the shared model was trained.

        The network is the copy of the site's last round (in its first round: the received model). The centre of the
        proximal term is the model received in this round.
        """


@runtime_checkable
class FinishesModel(Protocol):
    """A site trains the final model further before evaluating it, for this evaluation only."""

    def finish(self, training: SiteTraining) -> None:
        """Train the network, which holds the final model."""
