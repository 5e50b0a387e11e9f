"""A round that is asked again comes in another secure sum: for the site it is the same question."""

import torch
from flwr.app import RecordDict

from fedgraft.client.app.answered import said_by
from fedgraft.client.secure.way import unsealed
from fedgraft.common.secure.member import SEALED_BYTES
from fedgraft.common.wire import messages
from fedgraft.common.wire.summed.words import Summand, with_summand


def question(number: int, weight: float) -> RecordDict:
    asked = messages.pack_evaluate({"head.weight": torch.full((2, 3), weight)}, "plan", 4)
    return with_summand(asked, Summand("run", number, 5, 12, {1: bytes([number]) * SEALED_BYTES}))


def test_the_sum_is_no_part_of_what_a_round_asks() -> None:
    assert said_by(unsealed(question(3, 1.0))) == said_by(unsealed(question(4, 1.0)))
    assert said_by(unsealed(question(3, 1.0))) != said_by(unsealed(question(3, 2.0)))
    assert said_by(question(3, 1.0)) != said_by(question(4, 1.0)), "an answer is masked for one sum"
