"""The grid of a run between hospitals: it leaves out sites that the plan does not fit, and writes down what each of the
others is asked now, into ``now.json`` of the run's folder, for ``fedgraft coordinator watch``. With each instruction
goes where the ledger's chain stands, and of each reply where the site's logs stand is kept (`fedgraft.server.audit`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedgraft.common.errors import WireError
from fedgraft.common.logs.travelling import put_into_all, taken_from
from fedgraft.common.runtime.files import replacing
from fedgraft.common.runtime.flower import ask_soon
from fedgraft.server.audit.heads import coordinator_of, keep_heads, say_head
from fedgraft.server.deployment.folder import LEFT_OUT, REGISTERED, names_in
from fedgraft.server.exchange.passing_grid import PassingGrid

NOW, SPENT = "now.json", "spent.json"
"""What each site is asked now; the seconds from questions to answers, in all, by site."""


@dataclass(frozen=True)
class Asked:
    """What a site was asked last.

    Attributes:
        what: the message's kind, as ``train`` or ``prepare``.
        round: ``None`` before the first.
        since: seconds since 1970.
        answered: seconds after which it did; ``None`` if it has not yet.
        failed: whether it answered with an error, or went away.
    """

    what: str
    round: int | None
    since: float
    answered: float | None = None
    failed: bool = False


class DeployedGrid(PassingGrid):
    """Passes everything on, but hides some nodes.

    Args:
        out: the run's folder.
        names: of sites by node id.
        left_out: ids of nodes that are never asked.
    """

    def __init__(self, grid: Grid, out: Path, names: Mapping[int, str], left_out: Iterable[int] = ()) -> None:
        super().__init__(grid)
        self._out, self._names, self._left_out = out, names, frozenset(left_out)
        self._folder = coordinator_of(out)
        self._spent = read_spent(out)
        self._asked: dict[str, Asked] = {}
        self._open: dict[str, str] = {}  # site by the message that it was asked last
        self._began: dict[str, float] = {}  # when each was asked, by a clock that nobody sets
        self._write()

    def _write(self) -> None:
        told = {name: asdict(asked) for name, asked in self._asked.items()}
        with replacing(self._out / NOW) as partial:
            partial.write_text(json.dumps(told), encoding="utf-8")

    def get_node_ids(self) -> Iterable[int]:
        return [node for node in self._grid.get_node_ids() if node not in self._left_out]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        pushed = list(messages)
        if self._folder is not None:
            put_into_all(pushed, say_head(self._out, self._folder))
        from fedgraft.common.parcel import in_parcels  # has torch, which who only reads this folder's files need not

        with in_parcels(pushed):
            identifiers = list(self._grid.push_messages(pushed))
        for identifier, message in zip(identifiers, pushed, strict=True):
            node = message.metadata.dst_node_id
            name = self._names.get(node, f"node {node}")
            self._open = {one: other for one, other in self._open.items() if other != name} | {identifier: name}
            kind = message.metadata.message_type.removeprefix("query.")
            self._asked[name] = Asked(kind, _round_of(message), time.time())
            self._began[name] = time.monotonic()
        self._write()
        return identifiers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        replies = list(self._grid.pull_messages(message_ids))
        for reply in replies:
            _unpack(reply)
            self._keep_heads(reply)
            name = self._open.pop(reply.metadata.reply_to_message_id, None)
            if name is not None:
                asked = self._asked[name]
                took = round(time.monotonic() - self._began[name], 2)
                self._asked[name] = replace(asked, answered=took, failed=reply.has_error())
                self._spent[name] = round(self._spent.get(name, 0.0) + took, 2)
        if replies:
            self._write()
            with replacing(self._out / SPENT) as partial:
                partial.write_text(json.dumps(self._spent), encoding="utf-8")
        return replies

    def _keep_heads(self, reply: Message) -> None:
        """Take a site's statement about its logs out of its reply, and keep it; one that can't be read, or is not its
        own, is as if it had sent none, which its audit shows."""
        if not reply.has_content():
            return
        try:
            statement = taken_from(reply.content)
        except WireError:
            return
        name = self._names.get(reply.metadata.src_node_id)
        if statement is not None and name is not None and self._folder is not None:
            keep_heads(self._folder, name, statement)


def _unpack(reply: Message) -> None:
    """Take a reply out of its parcel; what can't be read is an empty reply, which whoever reads it refuses by name."""
    from fedgraft.common.parcel import unpack  # has torch, too

    if reply.has_content():
        try:
            reply.content = unpack(reply.content)
        except WireError:
            reply.content = RecordDict()


def deployed(grid: Grid, out: Path, names: Mapping[int, str]) -> Grid:
    """The grid of the run in a folder: a `DeployedGrid` if ``fedgraft coordinator run`` submitted it, else the same.

    Args:
        names: of sites by node id.
    """
    if not (out / REGISTERED).is_file():
        return grid
    ask_soon()
    return DeployedGrid(grid, out, names, names_in(out / LEFT_OUT))


def read_now(out: Path) -> dict[str, Asked]:
    """What each site of a run was asked last, by name; empty if none was yet."""
    try:
        held = json.loads((out / NOW).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: Asked(**asked) for name, asked in held.items()}


def read_spent(out: Path) -> dict[str, float]:
    """The seconds from questions to answers of a run between hospitals, by site; empty if there are none."""
    try:
        return {str(name): float(took) for name, took in json.loads((out / SPENT).read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}


def _round_of(message: Message) -> int | None:
    for record in message.content.config_records.values():
        number = record.get("server-round")
        if isinstance(number, int):
            return number
    return None
