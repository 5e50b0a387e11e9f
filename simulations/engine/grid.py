"""A Flower Grid within one process: it calls the ClientApp directly, one site after another, without Ray or network."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence

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


class InProcessGrid(Grid):
    """Delivers messages when their replies are pulled, in the order in which they were pushed: deterministic.

    Sets Flower's process-wide ``TaskIdentity``, from which ``Message`` reads the sender, as a real run's launcher does.

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
        self._run = Run.create_empty(run_id=RUN_ID)
        self._app, self._train_all, self._reaches = client_app, train_all, reaches
        self._contexts = {
            _FIRST_SITE + index: Context(
                run_id=RUN_ID,
                node_id=_FIRST_SITE + index,
                node_config=dict(config),
                state=RecordDict(),
                run_config=dict(run_config),
            )
            for index, config in enumerate(node_configs)
        }
        self._waiting: dict[str, Message] = {}
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN_ID, _SERVER_NODE

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
        return list(self._contexts)

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
        answers = dict(zip(map(id, reached), self._deliver(reached), strict=True))
        return [answers[id(message)] if id(message) in answers else no_answer(message) for message in due]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        return self.pull_messages(self.push_messages(messages))

    def _reached(self, message: Message) -> bool:
        return self._reaches(message.metadata.dst_node_id - _FIRST_SITE, message)

    def _deliver(self, messages: Sequence[Message]) -> list[Message]:
        asked = [(message, self._contexts[message.metadata.dst_node_id]) for message in messages]
        if self._train_all is not None and all(m.metadata.message_type == MessageType.TRAIN for m in messages):
            replies = self._train_all(asked)
        else:
            replies = [self._app(message, context) for message, context in asked]
        for reply in replies:
            reply.metadata.__dict__["_message_id"] = uuid.uuid4().hex
        return replies


def run_in_process(
    server_app: ServerApp,
    client_app: ClientApp,
    node_configs: Sequence[dict[str, str]],
    run_config: dict[str, str],
    train_all: TrainAll | None = None,
    reaches: Reaches = always,
) -> None:
    """Run a ServerApp with one ClientApp that answers for all sites; arguments as for `InProcessGrid`."""
    grid = InProcessGrid(client_app, node_configs, run_config, train_all, reaches)
    context = Context(run_id=RUN_ID, node_id=0, node_config={}, state=RecordDict(), run_config=dict(run_config))
    server_app(grid, context)
