"""Flower Grids of simulated sites; and that within one process, which calls the ClientApp directly, one site after
another, without Ray or network."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from flwr.app import Context, Message, MessageType, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedgraft.simulations.federation.availability import Reaches, always, no_answer

TrainAll = Callable[[Sequence[tuple[Message, Context]]], list[Message]]
RUN_ID = 1
_SERVER_NODE = 1
_FIRST_SITE = 1000


def identify() -> None:
    """Say to Flower who sends this process's messages."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN_ID, _SERVER_NODE


def node_of(place: int) -> int:
    """The node id of the site at a place."""
    return _FIRST_SITE + place


def place_of(message: Message) -> int:
    """The place of the site that a message is for."""
    return message.metadata.dst_node_id - _FIRST_SITE


def context_of(node: int, node_config: Mapping[str, str], run_config: Mapping[str, str]) -> Context:
    """What a ClientApp is told of itself beside a message."""
    return Context(RUN_ID, node, dict(node_config), RecordDict(), dict(run_config))


def run_over(grid: Grid, server_app: ServerApp, run_config: Mapping[str, str]) -> None:
    """Run a ServerApp over a grid."""
    server_app(grid, Context(RUN_ID, 0, {}, RecordDict(), dict(run_config)))


class SimulatedGrid(Grid):
    """Delivers messages when their replies are pulled, in the order in which they were pushed: deterministic.

    Sets Flower's process-wide ``TaskIdentity``, from which ``Message`` reads the sender, as a real run's launcher does.

    Args:
        sites: how many there are; a site's place is its index.
        reaches: decides which messages reach their site.
    """

    def __init__(self, sites: int, reaches: Reaches = always) -> None:
        self._run = Run.create_empty(run_id=RUN_ID)
        self._reaches = reaches
        self._nodes = [node_of(place) for place in range(sites)]
        self._waiting: dict[str, Message] = {}
        identify()

    @abstractmethod
    def _deliver(self, messages: Sequence[Message]) -> list[Message]:
        """The sites' replies, in the order of the messages."""

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return list(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        identifiers = []
        for message in messages:
            identifier = uuid.uuid4().hex
            message.metadata.__dict__["_message_id"] = identifier
            self._waiting[identifier] = message
            identifiers.append(identifier)
        return identifiers

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        wanted = set(message_ids)
        due = [self._waiting.pop(identifier) for identifier in list(self._waiting) if identifier in wanted]
        reached = [message for message in due if self._reached(message)]
        replies = self._deliver(reached)
        for reply in replies:
            reply.metadata.__dict__["_message_id"] = uuid.uuid4().hex
        answers = dict(zip(map(id, reached), replies, strict=True))
        return [answers[id(message)] if id(message) in answers else no_answer(message) for message in due]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        return self.pull_messages(self.push_messages(messages))

    def _reached(self, message: Message) -> bool:
        return self._reaches(place_of(message), message)


class InProcessGrid(SimulatedGrid):
    """The grid of sites that all are in this process.

    Args:
        client_app: answers for every site.
        node_configs: one per site, as ``--node-config`` would give it.
        run_config: the run's configuration.
        train_all: answers several ``train`` messages together; ``None`` passes them to ``client_app`` one by one.
        reaches: decides which messages reach their site.
    """

    def __init__(
        self,
        client_app: ClientApp,
        node_configs: Sequence[dict[str, str]],
        run_config: dict[str, str],
        train_all: TrainAll | None = None,
        reaches: Reaches = always,
    ) -> None:
        super().__init__(len(node_configs), reaches)
        self._app, self._train_all = client_app, train_all
        self._contexts = {
            node: context_of(node, config, run_config) for node, config in zip(self._nodes, node_configs, strict=True)
        }

    def _deliver(self, messages: Sequence[Message]) -> list[Message]:
        asked = [(message, self._contexts[message.metadata.dst_node_id]) for message in messages]
        if self._train_all is not None and all(m.metadata.message_type == MessageType.TRAIN for m in messages):
            return self._train_all(asked)
        return [self._app(message, context) for message, context in asked]


def run_in_process(
    server_app: ServerApp,
    client_app: ClientApp,
    node_configs: Sequence[dict[str, str]],
    run_config: dict[str, str],
    train_all: TrainAll | None = None,
    reaches: Reaches = always,
) -> None:
    """Run a ServerApp with one ClientApp that answers for all sites; arguments as for `InProcessGrid`."""
    run_over(InProcessGrid(client_app, node_configs, run_config, train_all, reaches), server_app, run_config)
