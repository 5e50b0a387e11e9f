"""Where a site keeps what it remembers of secure sums: on its disk, since each message has a process of its own, or in
the memory of a simulation.

What is written is on the disk before the answer leaves, so that no mask is used twice and no second kind of share is
told, whenever the site is killed. Of each run the last state is kept; secrets of sums that are over are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from fedgraft.common.errors import SecureError
from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.common.secure.circle import Card, Circle, Peer
from fedgraft.common.secure.member import Masked, Member, Ready, Secrets

FOLDER = "secure"


class Vault(Protocol):
    """Keeps a `Member` by run."""

    def read(self, run: int) -> Member | None:
        """``None`` if the site remembers nothing of the run.

        Raises:
            SecureError: what it kept can't be read.
        """

    def write(self, run: int, member: Member) -> None:
        """Keep it in place of what was kept before."""


class InMemory:
    """For a simulated site: kept as long as the process."""

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}

    def read(self, run: int) -> Member | None:
        return self._members.get(run)

    def write(self, run: int, member: Member) -> None:
        self._members[run] = member


class OnDisk:
    """In a site's state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def read(self, run: int) -> Member | None:
        path = self._folder / f"{run}.json"
        if not path.is_file():
            return None
        try:
            return _member(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError):
            raise SecureError(f"what this site remembered of the run's secure sums ({path}) can't be read") from None

    def write(self, run: int, member: Member) -> None:
        private_folder(self._folder)
        with replacing(self._folder / f"{run}.json", private=True, durable=True) as partial:
            partial.write_text(json.dumps(_plain(member)), encoding="utf-8")


def _plain(value: Any) -> Any:
    """As JSON: a dataclass as its fields, bytes in hex, a mapping as pairs."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(one)] for key, one in value.items()]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _member(raw: dict[str, Any]) -> Member:
    return Member(
        raw["run"],
        raw["name"],
        _bytes(raw["private"]),
        {place: Card(card["name"], *map(_bytes, list(card.values())[1:])) for place, card in raw["cards"]},
        {_bytes(public): (_bytes(out), _bytes(back)) for public, (out, back) in raw["channels"]},
        None if raw["fresh"] is None else _secrets(raw["fresh"]),
        None if raw["ready"] is None else _ready(raw["ready"]),
        None if raw["masked"] is None else _masked(raw["masked"]),
        int(raw["last"]),
    )


def _secrets(raw: dict[str, Any]) -> Secrets:
    return Secrets(_bytes(raw["key"]), _bytes(raw["public"]), _bytes(raw["seed"]))


def _ready(raw: dict[str, Any]) -> Ready:
    circle = raw["circle"]
    peers = [Peer(place, name, _bytes(public), _bytes(mask_key)) for place, name, public, mask_key in circle["peers"]]
    about = Circle(circle["run"], circle["number"], circle["place"], circle["threshold"], tuple(peers))
    return Ready(about, _secrets(raw["secrets"]), _pair(raw["kept"]))


def _masked(raw: dict[str, Any]) -> Masked:
    return Masked(raw["number"], raw["place"], raw["threshold"], {place: _pair(pair) for place, pair in raw["held"]})


def _pair(raw: list[str]) -> tuple[bytes, bytes]:
    one, other = raw
    return _bytes(one), _bytes(other)


_bytes = bytes.fromhex
