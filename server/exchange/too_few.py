"""The error of a run below its quorum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fedgraft.common.errors import RoundError
from fedgraft.server.exchange.ledger import NOBODY_ELSE


class TooFewError(RoundError):
    """Too few sites are ready or answered as asked. A deployed run waits for more, and asks again.

    Args:
        text: what is missing, in a line; then the others.
        number: of the round; 0 before the first.
        present: names of the sites that are there.
        besides: names of sites that are needed besides those that train.
    """

    def __init__(self, text: str, number: int = 0, present: Iterable[str] = (), besides: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.head, *self.others = text.splitlines()
        self.number, self.present, self.besides = number, tuple(sorted(present)), tuple(sorted(besides))


def text_of(head: str, refusals: Sequence[str]) -> str:
    """The error's text.

    Args:
        refusals: a line for each site that was refused, with the reason.
    """
    return "\n".join((head, *(refusals or [NOBODY_ELSE])))
