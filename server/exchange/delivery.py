"""Send messages to nodes and collect their replies, each kind within its deadline; what comes later is told apart."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from flwr.app import Message
from flwr.serverapp import Grid

from fedgraft.common.wire.messages import count_bytes
from fedgraft.server.exchange.clock import SYSTEM, Clock
from fedgraft.server.exchange.deadlines import UNTIMED, Deadlines, Durations
from fedgraft.server.exchange.ledger import Entry, Ledger, What
from fedgraft.server.exchange.tries import Tries

NameRun = Callable[[Sequence[Message]], None]
Failed = Callable[[int, What, int, Message], None]
_SHORTEST, _LONGEST, _SHARE = 0.1, 1.0, 0.05
"""Between two looks for answers, of which each costs the SuperLink 5 ms: this share of the time that was waited so far,
at least and at most so many seconds."""
LATE = "late"
"""The outcome, in the ledger, of an answer that came after its deadline."""


@dataclass(frozen=True)
class _Owed:
    """A message that was not answered by ``due``, on the clock of `Delivery`; ``timed``: the name under which the time
    of its answer is learnt."""

    number: int
    what: What
    node: int
    sent: float
    due: float
    timed: str


class Delivery:
    """The way of messages to the nodes of a grid.

    It remembers how long answers took, and which messages are still unanswered.

    Args:
        deadlines: how long the answers may take.
        name: is given all messages before they are sent, to say in them which run goes on.
        may_return: the nodes that can come back if they went away; none in a simulation.
        failed: is given each failure as it comes, with the round, what was asked, and the node.
    """

    def __init__(
        self,
        grid: Grid,
        deadlines: Deadlines = UNTIMED,
        clock: Clock = SYSTEM,
        name: NameRun = lambda messages: None,
        may_return: Container[int] = (),
        failed: Failed = lambda number, what, node, reply: None,
    ) -> None:
        self.grid, self.clock, self._deadlines, self._name = grid, clock, deadlines, name
        self._may_return, self._failed = may_return, failed
        self._owed: dict[str, _Owed] = {}
        self._late: list[tuple[_Owed, float, int]] = []
        self._again: list[tuple[int, What, int, str]] = []

    def durations(self) -> Durations:
        """How long answers took of late."""
        return self._deadlines.known()

    def expect(self, seconds: float | None) -> None:
        """How long the slowest site thinks that a round takes it, for answers of which none has come yet; ``None`` if
        one does not say."""
        self._deadlines.expect(seconds)

    def nodes(self) -> list[int]:
        """The ids of connected nodes, sorted."""
        return sorted(self.grid.get_node_ids())

    def exchange(
        self, messages: Iterable[Message], number: int, what: What, timed: str = "", size: int = 0
    ) -> dict[int, Message | None]:
        """Send a round's messages of one kind and return the replies by node id; ``None`` for a node without a reply
        within the deadline. An error is a reply: nobody waits for a node that says that it failed. One whose process
        was lost by accident is asked again, and so is one that went away, if it is back within `BACK_SECONDS`.

        Replies are matched by the message that they reply to, since an unreachable node's error has another sender.

        Args:
            timed: under which name it is learnt how long such answers take; by default ``what``.
            size: bytes of a message, if a line could need long for it.
        """
        timed = timed or what
        sent, begun = list(messages), self.clock.now()
        due = begun + self._deadlines.of(timed, size)
        self._name(sent)
        tries = Tries({message.metadata.dst_node_id: message for message in sent}, self._may_return, self.clock.now)
        identifiers = list(self.grid.push_messages(sent))
        asked = {key: message.metadata.dst_node_id for key, message in zip(identifiers, sent, strict=True)}
        replies: dict[int, Message | None] = dict.fromkeys(tries.questions)
        waiting = set(asked)
        while waiting or tries.away:
            for reply in self._pulled([*waiting, *self._owed]):
                key = reply.metadata.reply_to_message_id
                self._take_late(reply)
                if key not in waiting:
                    continue
                waiting.discard(key)
                replies[asked[key]] = reply
                if reply.has_error():
                    self._failed(number, what, asked[key], reply)
                if not tries.has_another(asked[key], reply):
                    self._heard(timed, number, begun, reply)
            for node, why in tries.due(self.nodes):
                self._again.append((number, what, node, why))
                replies[node] = None
                key = self._ask_again(tries.questions[node])
                asked[key] = node
                waiting.add(key)
            if not (waiting or tries.away) or self.clock.now() > due:
                break
            self.clock.sleep(min(_LONGEST, max(_SHORTEST, _SHARE * (self.clock.now() - begun))))
        self._owed |= {key: _Owed(number, what, asked[key], begun, due, timed) for key in waiting}
        return replies

    def gather(self, least: int, seconds: float) -> list[int]:
        """Wait for ``least`` connected nodes, at most so many seconds; returns the ids of connected nodes, sorted."""
        deadline = self.clock.now() + seconds
        while len(nodes := self.nodes()) < least and self.clock.now() < deadline:
            self.clock.sleep(1.0)
        return nodes

    def write_late(self, ledger: Ledger) -> int:
        """Take in what still came to messages whose deadline was over, and write a line for each answer: none is ever
        used. Returns how many came. And a line for each time that a site was asked again."""
        for reply in self._pulled(list(self._owed)):
            self._take_late(reply)
        late, self._late = self._late, []
        for owed, after, up in late:
            reason = f"refused: it came {after:.0f} s after the deadline of round {owed.number}"
            name = ledger.name_of(owed.node)
            ledger.write(Entry(owed.number, owed.what, name, owed.node, LATE, reason, None, 0, up))
        again, self._again = self._again, []
        for number, what, node, why in again:
            reason = f"{what}: {why}"
            ledger.write(Entry(number, "again", ledger.name_of(node), node, "ok", reason, None, 0, 0))
        return len(late)

    def _pulled(self, keys: list[str]) -> Iterable[Message]:
        return self.grid.pull_messages(keys) if keys else ()

    def _ask_again(self, message: Message) -> str:
        """Send a message's content once more; returns the new message's id."""
        about = message.metadata
        (key,) = self.grid.push_messages([Message(message.content, about.dst_node_id, about.message_type)])
        return key

    def _take_late(self, reply: Message) -> None:
        """Note a reply whose deadline was over, if it is one; an error says nothing new."""
        owed = self._owed.pop(reply.metadata.reply_to_message_id, None)
        if owed is not None and not reply.has_error():
            self._heard(owed.timed, owed.number, owed.sent, reply)
            self._late.append((owed, self.clock.now() - owed.due, count_bytes(reply.content)))

    def _heard(self, what: str, number: int, begun: float, reply: Message) -> None:
        if not reply.has_error():
            self._deadlines.heard(what, number, self.clock.now() - begun)
