"""Values of records of secure aggregation: places of sites, and bytes by place.

Places are whole numbers below 65,536, which a coordinator gives once in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import ConfigRecord

from fedgraft.common.errors import WireError
from fedgraft.common.secure.keys import KEY_BYTES

SECURE = "secure"
"""The name of the record."""


def pack_places(places: Sequence[int]) -> bytes:
    return np.array(places, "<u2").tobytes() or b"\0"  # Flower can't count what is empty


def read_places(record: ConfigRecord, name: str) -> tuple[int, ...]:
    value = record.get(name)
    if not isinstance(value, bytes) or (len(value) % 2 and value != b"\0"):
        raise WireError(f"`{name}` must be places of sites")
    found = tuple(np.frombuffer(b"" if value == b"\0" else value, "<u2").tolist())
    if list(found) != sorted(set(found)):
        raise WireError(f"`{name}` must name each place once, ascending")
    return found


def joined(name: str, content: Mapping[int, bytes]) -> dict[str, bytes]:
    places = sorted(content)
    return {f"{name}-of": pack_places(places), name: b"".join(content[place] for place in places) or b"\0"}


def by_place(record: ConfigRecord, places: str, name: str, size: int) -> dict[int, bytes]:
    at, value = read_places(record, places), record.get(name)
    if not isinstance(value, bytes) or len(value) != (len(at) * size or 1):
        raise WireError(f"`{name}` must hold {size} bytes for each place")
    return {place: value[k * size : (k + 1) * size] for k, place in enumerate(at)}


def key_of(record: ConfigRecord) -> bytes:
    value = record.get("mask-key")
    if not isinstance(value, bytes) or len(value) != KEY_BYTES:
        raise WireError(f"a public key must have {KEY_BYTES} bytes")
    return value
