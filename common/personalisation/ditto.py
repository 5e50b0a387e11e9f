"""Ditto (Li et al., ICML 2021): each site also trains its own copy of the model, kept near the shared one."""

from __future__ import annotations

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import Personalisation, SiteTraining, TrainsCopy


class Ditto(Personalisation, TrainsCopy):
    """Algorithm 1: the term ``mu / 2 * sum |v - w|^2`` is added to the copy's loss; ``w`` is the received shared model.

    Args:
        mu: the paper's lambda, above 0; with 0 each site would train alone.
        epochs: epochs of the copy per round; ``None`` for ``train.epochs``.

    Raises:
        PlanError: ``mu`` is not above 0, or ``epochs`` is below 1.
    """

    def __init__(self, mu: float, epochs: int | None = None) -> None:
        if not mu > 0:
            raise PlanError(
                f"personal.mu={mu:g} must be above 0: with 0 a site's own copy would learn nothing of others"
            )
        if epochs is not None and epochs < 1:
            raise PlanError(f"personal.epochs={epochs} must be 1 or more, or null for train.epochs")
        self.mu, self.epochs = float(mu), epochs

    def train_copy(self, training: SiteTraining) -> None:
        training.run(epochs=self.epochs, mu=self.mu)

    def budget(self, rounds: int, epochs: int) -> float:
        return (epochs + (self.epochs or epochs)) / epochs
