"""FedPer (Arivazhagan et al. 2019): the head is each site's own, all before it is trained together."""

from __future__ import annotations

from fedgraft.common.interfaces.personalisation import KeepsTensors, Personalisation
from fedgraft.common.interfaces.roles import HEAD


class FedPer(Personalisation, KeepsTensors):
    """Body and head are trained at once, as without it; the head never leaves (algorithm 1)."""

    def local(self) -> tuple[str, ...]:
        return (HEAD,)

    def budget(self, rounds: int, epochs: int) -> float:
        return 1.0
