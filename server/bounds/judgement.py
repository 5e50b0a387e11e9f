"""Judge a round's updates before a strategy sees them: what is used, what is shortened, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.robust.products import Products
from fedgraft.common.wire.messages import Update
from fedgraft.server.bounds.gram import lengths_of_others, products_of, trained
from fedgraft.server.bounds.lengths import LONGEST, Measure, Norms, measure, remembered, strays
from fedgraft.server.bounds.likeness import Likeness, likenesses
from fedgraft.server.bounds.weights import capped, counted
from fedgraft.server.exchange.guard import Refusal

OUT_OF_BOUNDS = "out-of-bounds"
"""The outcome, in the ledger, of an update that is refused for its norm."""


@dataclass(frozen=True)
class Figures:
    """What is told of one site's update in one round.

    Attributes:
        norm: as it came, over all trained tensors.
        ratio: that in parts of the reference (`fedgraft.server.bounds.lengths`); ``None`` if there is none.
        kept: what was left of it: 1 unless it was clipped; 0 if it was refused.
        cases, told: that it counts for in a mean, and that the site told.
        because: why it counts for fewer: ``registered`` or ``share``; ``""`` if it does not.
        likeness: to the others' updates, as they were used.
    """

    norm: float
    ratio: float | None
    kept: float = 1.0
    cases: int = 0
    told: int = 0
    because: str = ""
    likeness: Likeness = field(default_factory=Likeness)

    def words(self) -> str:
        """What was done to it, for the ledger; ``""`` if nothing was."""
        said = []
        if self.kept < 1:
            said.append(f"clipped: its update was {_times(self.ratio)}, and {self.kept:.2g} of it is used")
        if self.because:
            what = "were registered for it" if self.because == "registered" else "is bounds.share of all"
            said.append(f"it counts as {self.cases} training cases, which {what}; it told {self.told}")
        return "; ".join(said)


@dataclass(frozen=True)
class Judgement:
    """The result for one round.

    Attributes:
        used: by site, the updates that a strategy gets, shortened and counted as the bounds say; those to which
            nothing was done are the very same.
        refused: by site.
        figures: by site.
        norms: what the next round remembers.
    """

    used: dict[str, Update]
    refused: dict[str, Refusal]
    figures: dict[str, Figures]
    norms: Norms


def judged(
    updates: Sequence[Update],
    received: Mapping[str, Tensor],
    bounds: BoundsSection,
    earlier: Norms = (),
    confirmed: Mapping[str, int] | None = None,
) -> Judgement:
    """Judge a round's updates.

    Args:
        updates: checked by the guard; by different sites.
        received: the tensors that were sent to all of them.
        earlier: what the last round remembered.
        confirmed: training cases by site, as registered with the coordinator.
    """
    if not updates:
        return Judgement({}, {}, {}, earlier)
    tensors = [update.tensors for update in updates]
    products = products_of(tensors, received, trained(received))
    norms = np.sqrt(np.maximum(np.diag(products), 0)).tolist()
    by = measure(norms, earlier, bounds)
    stray = strays(lengths_of_others(tensors, received))
    fine = [k for k, norm in enumerate(norms) if norm <= by.refuse and k not in stray]
    refused = {updates[k].site: _refusal(norm, by) for k, norm in enumerate(norms) if k not in fine}
    figures = {updates[k].site: Figures(norms[k], by.ratio(norms[k]), 0.0) for k in range(len(norms)) if k not in fine}
    kept = [by.kept(norms[k]) for k in fine]
    weights = _weights([updates[k] for k in fine], bounds, confirmed or {})
    alike = likenesses(_shortened(products[np.ix_(fine, fine)], kept), [cases for cases, _ in weights])
    used = {}
    for k, left, (cases, because), like in zip(fine, kept, weights, alike, strict=True):
        update = updates[k]
        used[update.site] = _used(update, received, left, cases)
        told = update.examples
        figures[update.site] = Figures(norms[k], by.ratio(norms[k]), left, cases, told, because, like)
    lengths = [norms[k] * left for k, left in zip(fine, kept, strict=True)]
    return Judgement(used, refused, figures, remembered(earlier, lengths, bounds))


def _weights(updates: Sequence[Update], bounds: BoundsSection, confirmed: Mapping[str, int]) -> list[tuple[int, str]]:
    """Of each update, the cases that it counts for, and why these are fewer than it told."""
    told = {update.site: update.examples for update in updates}
    known = counted(told, confirmed)
    found = capped(list(known.values()), bounds.share)
    why = {True: "share", False: "registered"}
    return [
        (cases, "" if cases == told[site] else why[cases < known[site]])
        for site, cases in zip(known, found, strict=True)
    ]


def _shortened(products: Products, kept: Sequence[float]) -> Products:
    found: Products = products * np.outer(kept, kept)
    return found


def _used(update: Update, received: Mapping[str, Tensor], left: float, cases: int) -> Update:
    if left == 1 and cases == update.examples:
        return update
    tensors = update.tensors
    if left < 1:
        shorter = {name: _toward(tensors[name], received[name], left) for name in trained(tensors)}
        tensors = {**tensors, **shorter}
    return replace(update, tensors=tensors, examples=cases)


def _toward(tensor: Tensor, received: Tensor, left: float) -> Tensor:
    before = received.double()
    return (before + (tensor.double() - before) * left).to(tensor.dtype)


def _refusal(norm: float, by: Measure) -> Refusal:
    if norm > LONGEST:
        return Refusal(OUT_OF_BOUNDS, f"its update has a norm of {norm:.2g}, which no training gives")
    if norm <= by.refuse:
        return Refusal(OUT_OF_BOUNDS, "its running statistics or moments moved far more than those of the other sites")
    return Refusal(
        OUT_OF_BOUNDS, f"its update was {_times(by.ratio(norm))}, more than bounds.refuse; something is wrong there"
    )


def _times(ratio: float | None) -> str:
    return "as long as none before" if ratio is None else f"{ratio:.3g} times as long as the sites' median"
