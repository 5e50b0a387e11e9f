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
    head = any(name.startswith("head.") for name in kept)
    what, option = ("a local head", "personal=none") if head else ("local layers", "adaptation.role=shared")
    if not any(role == "shared" and not name.startswith("reference.") for name, role in roles.items()):
        raise PlanError(
            f"with {what} nothing is shared; free a stage (backbone.freeze), choose an adaptation whose tensors are "
            f"shared (adaptation=ssf), or {option}"
        )
    if hold_out := tuple(hold_out):
        raise PlanError(f"{what} would never be trained at {', '.join(hold_out)}, which hold_out names; use {option}")
