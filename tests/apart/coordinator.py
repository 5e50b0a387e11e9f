"""A coordinator in a process of its own: it runs a whole plan, asks sites over a pipe, and says what it has imported.

``coordinator.py PIPE PLAN OUT NODES``: a file descriptor, a plan as JSON, the run's folder, how many sites there are.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path

from flwr.app import Message, RecordDict
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as Parcel
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedgraft.common.plan.plan import from_json
from fedgraft.server.app import print_round, serve

NODE = 1


class PipeGrid(Grid):
    """Sends a message when it is pushed, and waits for its reply."""

    def __init__(self, pipe: Connection, nodes: int) -> None:
        self._pipe, self._nodes, self._replies = pipe, nodes, {}
        self._run = Run.create_empty(run_id=1)
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, NODE

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return range(NODE + 1, NODE + 1 + self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        identifiers = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = uuid.uuid4().hex
            self._pipe.send_bytes(message_to_proto(message).SerializeToString())
            reply = message_from_proto(Parcel.FromString(self._pipe.recv_bytes()))
            identifiers.append(message.metadata.message_id)
            self._replies[message.metadata.message_id] = reply
        return identifiers

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [self._replies.pop(identifier) for identifier in list(message_ids)]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        return self.pull_messages(self.push_messages(messages))


def main(pipe: str, plan: str, out: str, nodes: str) -> None:
    ours = Connection(int(pipe))
    serve(PipeGrid(ours, int(nodes)), from_json(Path(plan).read_text()), Path(out), None, print_round)
    ours.send_bytes(b"")
    print(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    main(*sys.argv[1:])
