"""What of a model is a site's own: what a plan's ``personal._target_`` must be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from fedgraft.common.errors import PlanError


@runtime_checkable
class Personalisation(Protocol):
    """What of the shared tensors stays at the site. How a site trains with it is in `fedgraft.client.personal`."""

    def local(self) -> tuple[str, ...]:
        """Beginnings of names in the model's state whose tensors are local instead of shared; empty for none."""


def require_effect(kept: Iterable[str], roles: Mapping[str, str], hold_out: Iterable[str]) -> None:
    """Refuse a personalisation that would leave nothing to share, or a site without its part.

    Args:
        kept: beginnings of names that it keeps at the site.
        roles: of every tensor, as decided.
        hold_out: sites that never train.

    Raises:
        PlanError: it would.
    """
    kept = tuple(kept)
    if not kept:
        return
    if not any(role == "shared" and not name.startswith("reference.") for name, role in roles.items()):
        raise PlanError(
            "personal: with a local head nothing is shared, the head is all that is trained; free a stage "
            "(backbone.freeze), choose an adaptation whose tensors are shared (adaptation=ssf), or personal=none"
        )
    if hold_out := tuple(hold_out):
        raise PlanError(
            f"personal: a local head is never trained at {', '.join(hold_out)}, which hold_out names; use "
            "personal=none, ditto or finetune, whose shared model has a head"
        )
