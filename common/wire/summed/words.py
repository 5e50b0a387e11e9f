"""A question that is summed securely brings a record on the sum, and its answer is a site's masked words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of, count_of, text_of
from fedgraft.common.secure.fixed_point import WORD
from fedgraft.common.secure.layout import Part, empty_vector
from fedgraft.common.secure.masks import Vector
from fedgraft.common.secure.member import SEALED_BYTES
from fedgraft.common.wire.messages import SITE
from fedgraft.common.wire.summed.places import SECURE, by_place, joined, key_of

_MOST_PARTS, _MOST_NAME = 10_000, 300


@dataclass(frozen=True)
class Summand:
    """The record of a question that is summed.

    Attributes:
        cases: the site's training cases, as it offered them; at least 1.
        all_cases: those of all sites of the sum.
        sealed: by place, what other sites sealed for this one.
    """

    run: str
    number: int
    cases: int
    all_cases: int
    sealed: Mapping[int, bytes]


@dataclass(frozen=True)
class Words:
    """A site's answer to a question that is summed; ``mask_key`` is its key for the next sum."""

    site: str
    plan: str
    parts: tuple[Part, ...]
    vector: Vector
    mask_key: bytes


def pack_summand(summand: Summand) -> ConfigRecord:
    """The record of a question that is summed, for its content (`with_summand`)."""
    numbers = {"number": summand.number, "cases": summand.cases, "all-cases": summand.all_cases}
    return ConfigRecord({"run": summand.run, **numbers, **joined("sealed", summand.sealed)})


def with_summand(content: RecordDict, summand: Summand) -> RecordDict:
    """A question's content with the record for one site; all else is shared with the content."""
    return RecordDict({**content, SECURE: pack_summand(summand)})


def unpack_summand(content: RecordDict) -> Summand | None:
    """The record of a question on a secure sum; ``None`` if it has none.

    Raises:
        WireError: a key is missing or ill-typed.
    """
    if SECURE not in content:
        return None
    record = config_of(content, SECURE)
    number, cases, total = (count_of(record, name) for name in ("number", "cases", "all-cases"))
    if not 1 <= cases <= total:
        raise WireError("a site's cases in a secure sum must be 1 or more, and not more than those of all sites")
    sealed = by_place(record, "sealed-of", "sealed", SEALED_BYTES)
    return Summand(text_of(record, "run"), number, cases, total, sealed)


def pack_words(words: Words) -> RecordDict:
    """The content of an answer that is summed: nothing but who answers, and what is uniform to whoever reads it."""
    parts = json.dumps([[part.name, list(part.shape), part.bits] for part in words.parts], separators=(",", ":"))
    record = ConfigRecord({"parts": parts, "mask-key": words.mask_key})
    for name, some in (("narrow", words.vector.narrow), ("wide", words.vector.wide)):
        if len(some):
            record[name] = some.tobytes()
    return RecordDict({SITE: ConfigRecord({"name": words.site, "plan": words.plan}), SECURE: record})


def unpack_words(content: RecordDict) -> Words:
    """Read a site's answer.

    Raises:
        WireError: a key is missing or ill-typed, or the words are not as many as the layout says.
    """
    site, record = config_of(content, SITE), config_of(content, SECURE)
    parts = _read_parts(text_of(record, "parts"))
    found = []
    for name, bits in (("narrow", 32), ("wide", 64)):
        value = record.get(name, b"")
        if not isinstance(value, bytes) or len(value) % WORD[bits].itemsize:
            raise WireError("masked words must be bytes")
        found.append(np.frombuffer(value, WORD[bits]))
    vector = Vector(*found)
    if not vector.fits(empty_vector(parts)):
        raise WireError("masked words are not as many as their layout says")
    return Words(text_of(site, "name"), text_of(site, "plan"), parts, vector, key_of(record))


def _read_parts(text: str) -> tuple[Part, ...]:
    try:
        read = json.loads(text)
        parts = tuple(Part(str(name), tuple(map(int, shape)), bits) for name, shape, bits in read)
    except (ValueError, TypeError):
        raise WireError("the layout of masked words can't be read") from None
    sound = all(part.bits in (32, 64) and min(part.shape, default=0) >= 0 for part in parts)
    if not sound or not parts or len(parts) > _MOST_PARTS or sum(math.prod(part.shape) for part in parts) > 2**31:
        raise WireError("the layout of masked words can't be read")
    if [part.name for part in parts] != sorted({part.name for part in parts}) or max(
        len(part.name) for part in parts
    ) > _MOST_NAME:
        raise WireError("the layout of masked words must name each array once, in alphabetical order")
    return parts
