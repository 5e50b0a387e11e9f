"""What is added to a round's loss besides the proximal term."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fedgraft.client.alignment.term import alignment_term
from fedgraft.client.loss import absent_term
from fedgraft.client.training import Term
from fedgraft.common import wire

if TYPE_CHECKING:
    from fedgraft.client.session import Session

Source = Callable[["Session", wire.Order], Term | None]
SOURCES: tuple[Source, ...] = (alignment_term, absent_term)


def terms(session: Session, order: wire.Order) -> tuple[Term, ...]:
    """The terms of one site's round; its session holds what came."""
    found = (source(session, order) for source in SOURCES)
    return tuple(term for term in found if term is not None)
