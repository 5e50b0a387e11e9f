"""Answers to ``query.moments``, ``query.sums`` and ``query.familiarity``, summed. Moments are summed as sums of
features and of their products, from which those of all cases follow."""

from __future__ import annotations

import numpy as np
import torch
from flwr.app import ArrayRecord, RecordDict
from torch import Tensor

from fedgraft.common.familiarity import gaussian
from fedgraft.common.familiarity.distances import BINS
from fedgraft.common.features.moments import Moments
from fedgraft.common.records import config_of, count_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.familiarity import DISTANCES, Told, asks_distances, pack_told
from fedgraft.common.wire.feature_moments import SiteMoments, pack_moments
from fedgraft.common.wire.head_sums import SiteSums, pack_sums
from fedgraft.common.wire.summed.kind import POOLED, TENSOR, Arrays, Asked, Totals, scalar, whole, withheld

_CASES, _FIRST, _SECOND = "cases", "first", "second"


class MomentsOfFeatures:
    """Of ``query.moments``."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        mean, squares, cases = _moments(answer, "squares", "moments of features")
        return _raw(cases, mean, squares + cases * mean.square())

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        cases, first, second = (torch.from_numpy(totals[name].copy()) for name in (_CASES, _FIRST, _SECOND))
        mean = first / cases
        squares = second - cases * mean.square()
        squares = squares if asked.plan.privacy.on else squares.clamp(min=0)  # noise may take all of them
        found = Moments(whole(totals[_CASES]), mean, squares)
        return pack_moments(SiteMoments(POOLED, asked.plan.digest, found))


class SumsOverCases:
    """Of ``query.sums``."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        return {TENSOR + name: tensor.double().numpy() for name, tensor in _tensors(answer, "sums").items()}

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        tensors = {name.removeprefix(TENSOR): torch.from_numpy(total.copy()) for name, total in totals.items()}
        return pack_sums(SiteSums(POOLED, asked.plan.digest, tensors))


class FamiliarCases:
    """Of ``query.familiarity``: sums over training cases, or counts of others by their distance."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        if asks_distances(asked.content):
            record = config_of(answer, DISTANCES) if DISTANCES in answer else {}
            return {split: np.array(record.get(split, [0] * BINS), np.float32) for split in messages.SPLITS}
        mean, scatter, cases = _moments(answer, "scatter", "sums over features")
        return _raw(cases, mean, scatter + cases * torch.outer(mean, mean))

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        if asks_distances(asked.content):
            counts = {split: tuple(int(one) for one in np.rint(totals[split])) for split in messages.SPLITS}
            told = {split: some for split, some in counts.items() if any(some)}
            return pack_told(Told(POOLED, asked.plan.digest, None, told))
        cases, first, second = (torch.from_numpy(totals[name].copy()) for name in (_CASES, _FIRST, _SECOND))
        mean = first / cases
        scatter = second - cases * torch.outer(mean, mean)
        diagonal = scatter.diagonal()
        diagonal.clamp_(min=0)
        return pack_told(Told(POOLED, asked.plan.digest, gaussian.Sums(whole(totals[_CASES]), mean, scatter)))


def _raw(cases: int, first: Tensor, second: Tensor) -> Arrays:
    return {_CASES: scalar(cases), _FIRST: (cases * first).numpy(), _SECOND: second.numpy()}


def _moments(answer: RecordDict, second: str, what: str) -> tuple[Tensor, Tensor, int]:
    found = _tensors(answer, what)
    return found["mean"].double(), found[second].double(), count_of(config_of(answer, messages.SITE), _CASES)


def _tensors(answer: RecordDict, what: str) -> dict[str, Tensor]:
    """The only tensors of an answer.

    Raises:
        WithheldError: it has none.
    """
    records = [record for record in answer.values() if isinstance(record, ArrayRecord)]
    if not records:
        raise withheld(what)
    return messages.unpack_any(records[0])
