"""What of a model is a site's own: what a plan's ``personal._target_`` must be."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Personalisation(Protocol):
    """What of the shared tensors stays at the site. How a site trains with it is in `fedgraft.client.personal`."""

    def local(self) -> tuple[str, ...]:
        """Beginnings of names in the model's state whose tensors are local instead of shared; empty for none."""
