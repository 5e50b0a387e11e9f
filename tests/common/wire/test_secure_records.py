"""The records of secure aggregation: they come back as they were sent, and what is not one is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.secure.circle import Card
from fedgraft.common.secure.fixed_point import WORD
from fedgraft.common.secure.layout import Part
from fedgraft.common.secure.masks import Vector
from fedgraft.common.secure.member import SEALED_BYTES
from fedgraft.common.secure.shamir import SHARE_BYTES
from fedgraft.common.wire.summed.steps import (
    Around,
    Step,
    Told,
    Unmasking,
    pack_step,
    pack_told,
    unpack_step,
    unpack_told,
)
from fedgraft.common.wire.summed.words import Summand, Words, pack_words, unpack_summand, unpack_words, with_summand

KEY = bytes(range(32))
STEP = Step(
    "plan",
    "run",
    Unmasking(3, (0, 2, 300), ()),
    True,
    {2: Card("b", KEY, b"ecdsa", b"signed"), 300: Card("c", KEY, b"other", b"too")},
    Around(4, 0, 2, {2: KEY, 300: bytes(32)}),
)
TOLD = Told("a", {0: bytes(SHARE_BYTES)}, KEY, Card("a", KEY, b"ecdsa", b"signed"), {2: bytes(SEALED_BYTES)})
PARTS = (Part("loss", (), 64), Part("w", (2, 3), 32))
WORDS = Words("a", "plan", PARTS, Vector(np.arange(6, dtype=WORD[32]), np.array([7], WORD[64])), KEY)
SUMMAND = Summand("run", 4, 5, 12, {2: bytes(SEALED_BYTES)})


@pytest.mark.parametrize("step", [STEP, Step("plan", "run"), replace(STEP, unmasking=Unmasking(1, (5,), (6, 7)))])
def test_a_step_and_what_is_told(step: Step) -> None:
    assert unpack_step(pack_step(step)) == step


@pytest.mark.parametrize("told", [TOLD, Told("a"), Told("a", shares={}, sealed={})])
def test_what_is_told(told: Told) -> None:
    assert unpack_told(pack_told(told)) == told


def test_a_summand_and_words() -> None:
    assert unpack_summand(with_summand(RecordDict({"config": ConfigRecord({"plan": "p"})}), SUMMAND)) == SUMMAND
    assert unpack_summand(RecordDict()) is None
    found = unpack_words(pack_words(WORDS))
    assert (found.site, found.plan, found.parts, found.mask_key) == ("a", "plan", PARTS, KEY)
    assert found.vector.narrow.tolist() == list(range(6)) and found.vector.wide.tolist() == [7]
    only = replace(WORDS, parts=PARTS[:1], vector=Vector(np.empty(0, WORD[32]), WORDS.vector.wide))
    assert unpack_words(pack_words(only)).vector.wide.tolist() == [7]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("parts", "{", "can't be read"),
        ("parts", '[["w",[-1],32]]', "can't be read"),
        ("parts", '[["w",[6],16]]', "can't be read"),
        ("parts", "[]", "can't be read"),
        ("parts", '[["w",[5],32],["x",[],64]]', "not as many"),
        ("parts", '[["w",[6],32],["loss",[],64]]', "alphabetical order"),
        ("narrow", b"abc", "must be bytes"),
        ("narrow", "abc", "must be bytes"),
        ("mask-key", b"short", "32 bytes"),
    ],
)
def test_words_that_are_none(name: str, value: Any, text: str) -> None:
    content = pack_words(WORDS)
    content["secure"][name] = value
    with pytest.raises(WireError, match=text):
        unpack_words(content)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("answered", b"\1", "places of sites"),
        ("answered", b"\2\0\1\0", "once, ascending"),
        ("mask-keys", b"short", "32 bytes for each place"),
        ("card-names", ["b"], "cards"),
        ("card-names", [1, 2], "cards"),
        ("card-public", [KEY], "cards"),
        ("card-signature", ["x", "y"], "cards"),
        ("number", -1, "whole number"),
        ("run", "", "lacks `run`"),
    ],
)
def test_steps_that_are_none(name: str, value: Any, text: str) -> None:
    content = pack_step(STEP)
    content["secure"][name] = value
    with pytest.raises(WireError, match=text):
        unpack_step(content)


@pytest.mark.parametrize(("cases", "total"), [(0, 5), (6, 5)])
def test_cases_that_do_not_fit(cases: int, total: int) -> None:
    with pytest.raises(WireError, match="1 or more"):
        unpack_summand(with_summand(RecordDict(), replace(SUMMAND, cases=cases, all_cases=total)))
