"""A Flower grid whose messages say which run they go on with."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedgraft.common.wire.run_name import name_run


class ResumedGrid(Grid):
    """Passes everything on; each message that is pushed brings the number of the run that began.

    Args:
        run: Flower's id of the run that began, by which the sites keep what is theirs.
        continues: digest of the plan that was extended; ``""`` for none.
    """

    def __init__(self, grid: Grid, run: int, continues: str = "") -> None:
        self._grid, self._began, self._continues = grid, run, continues

    def set_run(self, run: Run) -> None:
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def get_node_ids(self) -> Iterable[int]:
        return self._grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        pushed = list(messages)
        name_run(pushed, self._began, self._continues)
        return self._grid.push_messages(pushed)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return self._grid.pull_messages(message_ids)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        pushed = list(messages)
        name_run(pushed, self._began, self._continues)
        return self._grid.send_and_receive(pushed, timeout=timeout)
