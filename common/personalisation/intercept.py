"""Each site has an intercept of its own, as in a regression with an indicator for each site; all else is shared."""

from __future__ import annotations

from typing import ClassVar

from fedgraft.common.interfaces.personalisation import KeepsTensors, Personalisation
from fedgraft.common.interfaces.roles import HEAD


class Intercept(Personalisation, KeepsTensors):
    """The head's bias never leaves the site: prevalence may differ between sites, what a finding looks like may not.

    It is trained with the shared weights. With ``strategy=exact`` a site solves for it at the weights that came
    (`fedgraft.client.training.own_intercept`).
    """

    keeps_intercept_only: ClassVar[bool] = True

    def local(self) -> tuple[str, ...]:
        return (f"{HEAD}bias",)

    def budget(self, rounds: int, epochs: int) -> float:
        return 1.0
