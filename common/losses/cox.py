"""The survival loss: Cox's negative log partial likelihood (J. R. Stat. Soc. B 34, 1972)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn


class CoxPartialLikelihood(nn.Module):
    """``log sum_{j at risk} exp(h_j) - h_i``, summed over events; 0, with no gradient, for a batch without an event.

    Risk sets are formed within the batch: the loss is the site's full partial likelihood if ``train.batch_size`` is at
    least its number of training cases, and otherwise that of random subsets of them.

    Args:
        ties: how events at the same time are treated: ``breslow`` (Biometrics 30, 1974) keeps all of them at risk for
            each; ``efron`` (JASA 72, 1977) averages over the orders in which they could have happened.
        mean: the divisor of the sum: ``cases`` of the batch, or ``events``. With ``cases`` and full batches, FedAvg
            (which weighs a site by its cases) takes a step on the partial likelihood stratified by site.
    """

    tasks: ClassVar[tuple[str, ...]] = ("survival",)

    def __init__(self, ties: Literal["breslow", "efron"] = "efron", mean: Literal["cases", "events"] = "cases") -> None:
        super().__init__()
        self.ties = ties
        self.mean = mean

    def forward(self, log_hazard: Tensor, labels: Tensor) -> Tensor:
        """``(B, 1)`` float32 log hazards and ``(B, 2)`` float32 (time, event) -> scalar."""
        order = torch.argsort(labels[:, 0], descending=True, stable=True)
        hazard, time, event = log_hazard[order, 0], labels[order, 0], labels[order, 1]
        last = _last_at_the_same_time(time)
        at_risk = torch.logcumsumexp(hazard, dim=0).gather(0, last)
        terms = at_risk - hazard
        if self.ties == "efron":
            terms = terms + _efron_correction(hazard - at_risk, event, last)
        return (event * terms).sum() / self.divisor(labels)

    def divisor(self, labels: Tensor) -> Tensor:
        """What the sum over events is divided by: the number of cases, or of events, at least 1."""
        cases = torch.tensor(float(len(labels)), dtype=labels.dtype, device=labels.device)
        return cases if self.mean == "cases" else labels[:, 1].sum().clamp(min=1)


def _last_at_the_same_time(time: Tensor) -> Tensor:
    """``(B,)`` int64: for each case, the index of the last case with the same time; ``time`` ``(B,)`` is descending."""
    places = torch.arange(len(time), device=time.device)
    ends = torch.cat([time[1:] != time[:-1], torch.ones(1, dtype=torch.bool, device=time.device)])
    return torch.where(ends, places, len(time)).flip(0).cummin(0).values.flip(0)


def _efron_correction(share: Tensor, event: Tensor, last: Tensor) -> Tensor:
    """Efron's correction, ``(B,)``: ``log(1 - l / m * S)`` for the l-th (from 0) of m events at one time, whose summed
    hazard is a share S of the hazard at risk.

    Args:
        share: ``(B,)``, log of each case's share of the hazard at risk.
        event: ``(B,)``, 1 for an event and 0 for a censored case.
        last: as `_last_at_the_same_time` gives it.
    """
    zero = torch.zeros_like(share)
    tied = zero.scatter_add(0, last, event).gather(0, last)
    tied_share = zero.scatter_add(0, last, event * share.exp()).gather(0, last)
    seen = torch.cumsum(event, dim=0)
    left = torch.where(event > 0.5, seen.gather(0, last) - seen, 0.0)  # counted from the group's end
    return torch.log1p(-left / tied.clamp(min=1) * tied_share)
