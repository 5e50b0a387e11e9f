"""Fine-tuning after the last round (Wang et al. 2019): each site trains the final model further, for its own use."""

from __future__ import annotations

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import FinishesModel, Personalisation, SiteTraining


class FineTune(Personalisation, FinishesModel):
    """The rounds are as without it; before the final evaluation each site trains the same parameters as in a round.

    Args:
        epochs: epochs over the site's training cases.
        lr: the learning rate, constant; ``None`` for that of the last round.

    Raises:
        PlanError: ``epochs`` is below 1, or ``lr`` is not above 0.
    """

    def __init__(self, epochs: int, lr: float | None = None) -> None:
        if epochs < 1:
            raise PlanError(f"personal.epochs={epochs} must be 1 or more; without it use personal=none")
        if lr is not None and not lr > 0:
            raise PlanError(f"personal.lr={lr:g} must be above 0, or null for the rate of the last round")
        self.epochs, self.lr = epochs, lr

    def finish(self, training: SiteTraining) -> None:
        training.run(epochs=self.epochs, lr=self.lr, mu=0.0)

    def budget(self, rounds: int, epochs: int) -> float:
        return (rounds * epochs + self.epochs) / (rounds * epochs)
