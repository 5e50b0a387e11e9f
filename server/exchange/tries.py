"""Who is asked the same again within a round: a site whose process was lost, or that went away and is back at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Container, Iterator, Mapping

from flwr.app import Message

from fedgraft.common.causes import KILLED, NODE_LOST, PROCESS_ENDED
from fedgraft.common.errors import PREFIX

ACCIDENTS = frozenset((PREFIX + KILLED, PREFIX + PROCESS_ENDED, PREFIX + NODE_LOST))
"""What a site reports if the process that answered was lost: it can answer the same message again."""
TIMES = 2
"""How often a site is asked again."""
BACK_SECONDS = 30.0
"""For so long a site that went away is waited for: its supervisor starts it again, or its line is back."""
LOOK_SECONDS = 0.5
"""Between two looks at who is connected, while one is waited for."""
_UNAVAILABLE = 5  # flwr.common.constant.ErrorCode.NODE_UNAVAILABLE
_WENT = "the site went away before it answered, and was asked again when it was back"


class Tries:
    """The tries that are left in one exchange.

    Args:
        questions: by node, what it was asked.
        may_return: the nodes that can come back if they went away.
        now: seconds, which only grow.
    """

    def __init__(self, questions: Mapping[int, Message], may_return: Container[int], now: Callable[[], float]) -> None:
        self.questions = questions
        self._may_return, self._now = may_return, now
        self._left = dict.fromkeys(questions, TIMES)
        self._lost: dict[int, str] = {}
        self._away: dict[int, float] = {}
        self._looked = -math.inf

    @property
    def away(self) -> Collection[int]:
        """The nodes that are waited for."""
        return self._away

    def has_another(self, node: int, reply: Message) -> bool:
        """Whether a node is to be asked again after this reply, now or once it is back."""
        if not reply.has_error() or not self._left[node]:
            return False
        reason = reply.error.reason or ""
        if reason in ACCIDENTS:
            self._lost[node] = f"the site reported `{reason.removeprefix(PREFIX)}`, and was asked again"
        elif reply.error.code == _UNAVAILABLE and node in self._may_return:
            self._away[node] = self._now() + BACK_SECONDS
        else:
            return False
        self._left[node] -= 1
        return True

    def due(self, connected: Callable[[], Collection[int]]) -> Iterator[tuple[int, str]]:
        """The nodes to ask again now, and why; those that did not come back in time are given up.

        Args:
            connected: the nodes that are.
        """
        lost, self._lost = self._lost, {}
        yield from lost.items()
        now = self._now()
        if not self._away or now < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        back = set(connected()) & set(self._away)
        yield from ((node, _WENT) for node in sorted(back))
        left = {node: until for node, until in self._away.items() if node not in back and now < until}
        self._away = {node: until for node, until in left.items() if node in self._may_return}
