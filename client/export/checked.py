"""What an exported file computes, compared with what `fedgraft predict` computes, before it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fedgraft.client.export.whole import WholeModel
from fedgraft.common.errors import ModelError

TOLERANCE = 1e-4
"""The largest difference of a probability, or of an output where outputs are no larger than 1; of larger ones, their
share."""
_SEED = 14


def samples(whole: WholeModel) -> list[Tensor]:
    """Random decoded cases of several sizes; always the same."""
    return list(whole.preparation.samples(torch.Generator().manual_seed(_SEED)))


def require_equal(
    whole: WholeModel, names: Sequence[str], run: Callable[[Tensor], Sequence[Tensor]], what: str
) -> float:
    """Compare a file's answers on random cases with ours; returns the largest difference.

    Args:
        names: which of the model's outputs the file has.
        run: decoded cases -> the file's answers, one for each of ``names``.
        what: names the file's kind, for the message.

    Raises:
        ModelError: they differ by more than `TOLERANCE`.
    """
    largest = 0.0
    for cases in samples(whole):
        expected = dict(zip(whole.names, whole.ours(cases), strict=True))
        for name, found in zip(names, run(cases), strict=True):
            wanted = expected[name].double()
            difference = float(((found.double() - wanted).abs() / wanted.abs().clamp(min=1)).max())
            if not difference <= TOLERANCE:
                raise ModelError(
                    f"{what} is not written: on random cases of shape {tuple(cases.shape)} its `{name}` differs from "
                    f"FedGraft's by {difference:.2g} (allowed: {TOLERANCE:g}); please report the model's plan"
                )
            largest = max(largest, difference)
    return largest
