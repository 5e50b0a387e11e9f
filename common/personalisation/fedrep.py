"""FedRep (Collins et al., ICML 2021): each site trains its own head on the received body, then the body."""

from __future__ import annotations

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import KeepsTensors, Personalisation, SiteTraining, TrainsItsOwnWay
from fedgraft.common.interfaces.roles import HEAD


class FedRep(Personalisation, KeepsTensors, TrainsItsOwnWay):
    """Algorithm 1: first the head is trained with the body frozen, then the body with the head frozen.

    Args:
        head_epochs: epochs for the head; the body is trained for ``train.epochs``.

    Raises:
        PlanError: ``head_epochs`` is below 1.
    """

    def __init__(self, head_epochs: int) -> None:
        if head_epochs < 1:
            raise PlanError(f"personal.head_epochs={head_epochs} must be 1 or more; without it use personal=fedper")
        self.head_epochs = head_epochs

    def local(self) -> tuple[str, ...]:
        return (HEAD,)

    def train(self, training: SiteTraining) -> float:
        """Train head and body; the mean loss is over the epochs of both. A body that is still frozen in this round
        (``train.unfreeze``) is not trained."""
        phases = [(self.head_epochs, _in_head), (training.epochs, _before_head)]
        phases = [(epochs, only) for epochs, only in phases if training.trains(only)]
        losses = [training.run(epochs=epochs, only=only) * epochs for epochs, only in phases]
        return sum(losses) / sum(epochs for epochs, _ in phases)

    def budget(self, rounds: int, epochs: int) -> float:
        return (epochs + self.head_epochs) / epochs


def _in_head(name: str) -> bool:
    return name.startswith(HEAD)


def _before_head(name: str) -> bool:
    return not name.startswith(HEAD)
