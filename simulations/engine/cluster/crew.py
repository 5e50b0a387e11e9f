"""The actors of a run, which sites are placed with which, and what happens if one is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from fedgraft.common.causes import NODE_LOST, PROCESS_ENDED
from fedgraft.common.errors import CLIENT_APP_RAISED_EXCEPTION, PREFIX, ClusterError, first_line
from fedgraft.simulations.engine.cluster import calls
from fedgraft.simulations.engine.cluster.networks import spread
from fedgraft.simulations.engine.cluster.placing import Node, Seat, homeless, seated
from fedgraft.simulations.engine.cluster.survey import Wanted, survey
from fedgraft.simulations.engine.cluster.worker import Answered, Worker
from fedgraft.simulations.federation.availability import NODE_UNAVAILABLE

Say = Callable[[str], None]
PATIENCE = 20.0
"""Seconds for which processes may load what they need, before it is said that they are waited for."""
ENDED = Answered(None, (CLIENT_APP_RAISED_EXCEPTION, PREFIX + PROCESS_ENDED))
MOVED = Answered(None, (CLIENT_APP_RAISED_EXCEPTION, PREFIX + NODE_LOST))
NOWHERE = Answered(None, (NODE_UNAVAILABLE, "Node Unavailable"))


class Question(NamedTuple):
    """A message to a site: the site's place and node id, the message's kind, and a reference to its content."""

    place: int
    node: int
    kind: str
    content: Any


Queue = deque[tuple[int, Any]]
"""What an actor was asked and has not answered, the oldest first: indices of questions, and references to answers."""


class Crew:
    """Actors by seat. A site stays with its actor, which keeps what it has opened, until that is lost.

    Args:
        nodes: of the cluster, as surveyed.
        seats: of all sites, by place.
        expected: cases of all sites.
        say: is told of what is lost, and where its sites go on.
        counted: is given numbers of cases that were decoded and computed.
    """

    def __init__(
        self,
        wanted: Wanted,
        nodes: Sequence[Node],
        seats: Mapping[int, Seat],
        expected: int,
        say: Say,
        counted: Callable[[int, int], None],
    ) -> None:
        self._wanted, self._nodes, self._expected = wanted, list(nodes), expected
        self._say, self._told, self._counted = say, set[str](), counted
        self._actors: dict[Seat, Any] = {}
        self._queues: dict[Seat, Queue] = {}
        self._networks: tuple[str, ...] = ()
        self.seats = dict(seats)
        self._hire(set(self.seats.values()))
        self._all_ready = False

    def keep_networks(self, digests: Sequence[str]) -> None:
        """The networks that sites were sent: from now on every node has a copy, so that a site can go on there."""
        if tuple(digests) != self._networks:
            self._networks = tuple(digests)
            spread(self._networks, self._nodes)

    def ask(self, questions: Sequence[Question]) -> list[Answered]:
        """The answers, in the order of the questions. A site whose actor is lost gets `ENDED` or `MOVED`, and can be
        asked again; one that no node can hold any more gets `NOWHERE`."""
        if not self._all_ready:
            self._wait()
            self._all_ready = True
        if without := {one.place for one in questions} - set(self.seats):
            self._seat(without)
        found: dict[int, Answered] = {}
        for index, question in enumerate(questions):
            seat = self.seats.get(question.place)
            if seat is None:
                found[index] = NOWHERE
            else:
                self._put(seat, index, question)
        while any(self._queues.values()):
            heads = {queue[0][1]: seat for seat, queue in self._queues.items() if queue}
            for reference in calls.ended(heads):
                self._take(heads[reference], questions, found)
        return [found[index] for index in range(len(questions))]

    def _put(self, seat: Seat, index: int, question: Question) -> None:
        file = str(self._wanted.sites[question.place].file)
        answer = self._actors[seat].answer.remote(file, question.node, question.kind, [question.content])
        self._queues.setdefault(seat, deque()).append((index, answer))

    def _take(self, seat: Seat, questions: Sequence[Question], found: dict[int, Answered]) -> None:
        """Take the oldest answer of an actor, or what is known if there is none."""
        queue = self._queues.get(seat)
        if not queue:
            return  # its node was lost, as another actor's has told
        index, reference = queue[0]
        try:
            answer: Answered = calls.value(reference)
        except calls.FailedError:
            raise  # an error of ours
        except calls.LostError:
            self._lost(seat, questions, found)
            return
        queue.popleft()
        self._counted(answer.decoded, answer.computed)
        found[index] = answer

    def _lost(self, seat: Seat, questions: Sequence[Question], found: dict[int, Answered]) -> None:
        """An actor is gone. If its node is there, whatever it was computing is likely the cause: that is told, and all
        else is asked again from a new process. If the node is gone too, all of its sites go on elsewhere."""
        node = next(one for one in self._nodes if one.key == seat.node)
        if calls.lives(node.key):
            queue = self._queues[seat]
            index, _ = queue.popleft()
            found[index] = ENDED
            name = self._wanted.sites[questions[index].place].name
            self._say(f"the process on {node.name} ended while it computed for {name}; it was started again")
            left, self._queues[seat] = [one for one, _ in queue], deque()
            calls.end(self._actors[seat])
            self._hire({seat})
            for index in left:
                self._put(seat, index, questions[index])
            return
        for lost in [one for one in self._queues if one.node == node.key]:
            found |= {index: MOVED for index, _ in self._queues.pop(lost)}
        self._move(node, questions[0].kind)

    def _move(self, lost: Node, kind: str) -> None:
        """All sites of a lost node go on elsewhere."""
        self._nodes = [node for node in self._nodes if node.key != lost.key]
        self._actors = {seat: actor for seat, actor in self._actors.items() if seat.node != lost.key}
        places = {place for place, seat in self.seats.items() if seat.node == lost.key}
        names = ", ".join(self._wanted.sites[place].name for place in sorted(places))
        self._say(f"the node {lost.name} was lost (asked: {kind}): its sites {names} go on elsewhere")
        self.seats = {place: seat for place, seat in self.seats.items() if place not in places}
        self._seat(places)

    def _seat(self, places: Collection[int]) -> None:
        """Find a place for sites that have none: on nodes that are known, or that have come meanwhile."""
        self._nodes, wrong = survey(self._wanted, self._nodes)
        for problem in wrong:
            self._say_once(f"{problem}; it is not used")
        load: dict[Seat, int] = {}
        for place, seat in self.seats.items():
            load[seat] = load.get(seat, 0) + self._wanted.sites[place].weight
        found = seated(self._wanted.sites, places, self._nodes, load)
        spread(self._networks, self._nodes)
        self._hire(set(found.values()) - set(self._actors))
        self.seats |= found
        for node in self._nodes:
            names = [self._wanted.sites[place].name for place in sorted(found) if found[place].node == node.key]
            if names:
                self._say(f"{', '.join(names)} on {node.name}: what that node has not kept of them is computed again")
        for sentence in homeless(self._wanted.sites, set(places) - set(found), self._nodes):
            self._say_once(sentence)

    def _say_once(self, sentence: str) -> None:
        """What lasts is not said again with each message."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._say(sentence)

    def _hire(self, seats: Collection[Seat]) -> None:
        nodes = {node.key: node for node in self._nodes}
        for seat in sorted(seats):
            node = nodes[seat.node]
            self._actors[seat] = calls.started(
                node.key, Worker, self._wanted.threads, node.gpus, calls.value, self._expected
            )

    def _wait(self) -> None:
        """Wait until all actors have loaded what they need; say so if some have to wait for room.

        Raises:
            ClusterError: one can't start.
        """
        called = {actor.ready.remote(): seat for seat, actor in self._actors.items()}
        if late := len(called) - len(calls.ended(called, len(called), PATIENCE)):
            self._say(f"{late} of {len(called)} processes are still waited for; `ray status` says what is in use")
        for reference, seat in called.items():
            try:
                calls.value(reference)
            except calls.LostError as error:
                name = next(node.name for node in self._nodes if node.key == seat.node)
                raise ClusterError(f"engine=ray: a process on {name} could not start ({first_line(error)})") from error
