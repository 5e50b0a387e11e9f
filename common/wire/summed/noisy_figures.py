"""The answer to ``evaluate`` under ``privacy=record``: counts of cases by class and score, with noise, by split.

They are no evaluation yet: noise makes them negative, and only their sum over sites is turned into one
(`fedgraft.common.privacy.histograms`).
"""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.wire import messages
from fedgraft.common.wire.messages import SPLITS, Spec

FIGURES = "noisy-figures"


def pack_noisy_figures(site: str, plan_digest: str, number: int, told: Mapping[str, Tensor]) -> RecordDict:
    """The content of the answer; ``told`` by split, float64."""
    return RecordDict(
        {FIGURES: messages.pack_tensors(dict(told)), **messages.pack_answer(site, plan_digest, number, {})}
    )


def unpack_noisy_figures(content: RecordDict, size: int) -> dict[str, Tensor]:
    """Read the counts of each split, ``(size,)`` float64.

    Raises:
        WireError: they are missing, of another shape or dtype, or not finite.
    """
    record = content.get(FIGURES)
    if not isinstance(record, ArrayRecord):
        raise WireError("the answer comes without noisy counts")
    return messages.unpack_tensors(record, dict.fromkeys(SPLITS, Spec((size,), "float64")))
