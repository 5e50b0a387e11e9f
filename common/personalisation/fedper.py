"""FedPer (Arivazhagan et al. 2019): each site has a head of its own; everything before the head is shared."""

from __future__ import annotations

from fedgraft.common.interfaces.personalisation import KeepsTensors, Personalisation
from fedgraft.common.interfaces.roles import HEAD


class FedPer(Personalisation, KeepsTensors):
    """Body and head are trained together, as without personalisation; the head never leaves the site (algorithm 1)."""

    def local(self) -> tuple[str, ...]:
        return (HEAD,)

    def budget(self, rounds: int, epochs: int) -> float:
        return 1.0
