"""A Flower Grid whose sites are computed by actors of Ray."""

from __future__ import annotations

from collections.abc import Sequence

from flwr.app import Error, Message

from fedgraft.common.wire.messages import BACKBONE, PREPARE, unpack_prepare
from fedgraft.simulations.engine.cluster import calls
from fedgraft.simulations.engine.cluster.crew import Crew, Question
from fedgraft.simulations.engine.grid import SimulatedGrid, place_of
from fedgraft.simulations.federation.availability import Reaches


class RayGrid(SimulatedGrid):
    """Asks a crew; content that goes to several sites travels once to each process.

    Args:
        sites: how many there are.
        crew: answers for all of them.
        trouble: is given a sentence for each error at a site.
        reaches: decides which messages reach their site.
    """

    def __init__(self, sites: int, crew: Crew, trouble: dict[str, None], reaches: Reaches) -> None:
        super().__init__(sites, reaches)
        self._crew, self._trouble = crew, trouble
        self._announced: tuple[str, ...] = ()

    def _deliver(self, messages: Sequence[Message]) -> list[Message]:
        if not messages:
            return []
        self._look_for_networks(messages[0])
        contents = {id(message.content): message.content for message in messages}
        kept = {key: calls.kept(content) for key, content in contents.items()}
        questions = [
            Question(place_of(one), one.metadata.dst_node_id, one.metadata.message_type, kept[id(one.content)])
            for one in messages
        ]
        replies = []
        for message, answer in zip(messages, self._crew.ask(questions), strict=True):
            self._trouble |= dict.fromkeys(answer.trouble)
            given = answer.content if answer.error is None else Error(*answer.error)
            assert given is not None
            replies.append(Message(given, reply_to=message))
        return replies

    def _look_for_networks(self, message: Message) -> None:
        """What sites are prepared with, they hold once they are asked something else."""
        kind = message.metadata.message_type
        if kind == PREPARE:
            self._announced = tuple(unpack_prepare(message.content)[2].split("+"))
        elif kind != BACKBONE and self._announced:
            self._crew.keep_networks(self._announced)
