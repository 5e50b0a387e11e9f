"""Judge a round's updates before a strategy sees them: what is used, what is shortened, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.robust.products import of_some
from fedgraft.common.wire.messages import Update
from fedgraft.server.bounds.allowance import longest
from fedgraft.server.bounds.apart import Apart, apart
from fedgraft.server.bounds.gram import lengths_of_others, products_of, trained
from fedgraft.server.bounds.lengths import LONGEST, Measure, longer, measure, remembered, strays
from fedgraft.server.bounds.likeness import Likeness, likenesses
from fedgraft.server.bounds.memory import Memory
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
        likeness: to the others' updates; of this one as it was shortened, but before it was moved.
        apart: its distance to the others' centre, in parts of the median one; ``None`` of fewer than five updates.
        left: of that distance, the part that is used: 1 unless it was moved towards them.
    """

    norm: float
    ratio: float | None
    kept: float = 1.0
    cases: int = 0
    told: int = 0
    because: str = ""
    likeness: Likeness = field(default_factory=Likeness)
    apart: float | None = None
    left: float = 1.0

    def words(self) -> str:
        """What was done to it, for the ledger; ``""`` if nothing was."""
        said = []
        if self.kept < 1:
            said.append(f"clipped: its update was {_times(self.ratio)}, and {self.kept:.2g} of it is used")
        if self.left < 1:
            said.append(
                f"moved: its update was {self.apart:.3g} times as far from the others' as the sites' median, and was "
                f"moved towards them to {self.left:.2g} of that"
            )
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
        memory: what the next round is judged by.
    """

    used: dict[str, Update]
    refused: dict[str, Refusal]
    figures: dict[str, Figures]
    memory: Memory


def judged(
    updates: Sequence[Update],
    received: Mapping[str, Tensor],
    bounds: BoundsSection,
    memory: Memory | None = None,
    confirmed: Mapping[str, int] | None = None,
) -> Judgement:
    """Judge a round's updates.

    Args:
        updates: checked by the guard; by different sites.
        received: the tensors that were sent to all of them.
        memory: of the rounds before; ``None`` in the first one.
        confirmed: training cases by site, as registered with the coordinator.
    """
    before = memory or Memory()
    if not updates:
        return Judgement({}, {}, {}, before)
    tensors, known = [update.tensors for update in updates], confirmed or {}
    products = products_of(tensors, received, trained(received))
    norms = np.sqrt(np.maximum(products.diagonal(), 0)).tolist()
    unused = [before.lengths.unused(update.site) for update in updates]
    by = measure(norms, before.norms, bounds)
    stray = strays(lengths_of_others(tensors, received))
    shortened_to = _kept(norms, unused, [cases for cases, _ in _weights(updates, bounds, known)], by)
    fine = [k for k, left in enumerate(shortened_to) if left > 0 and k not in stray]
    bad = sorted({*range(len(norms))}.difference(fine))
    refused = {updates[k].site: _refusal(norms[k], k in stray, by) for k in bad}
    figures = {updates[k].site: Figures(norms[k], by.ratio(norms[k]), 0.0) for k in bad}
    some, kept = [updates[k] for k in fine], [shortened_to[k] for k in fine]
    weights = _weights(some, bounds, known)
    shortened = of_some(products, fine, np.asarray(kept))
    alike = likenesses(shortened, [cases for cases, _ in weights])
    unused = [before.apart.unused(update.site) for update in some]
    how = apart(shortened, [cases for cases, _ in weights], unused, before.distances, bounds)
    used = {}
    for place, update in enumerate(some):
        (cases, because), norm = weights[place], norms[fine[place]]
        parts = {other: part * kept[other] for other, part in how.parts(place).items()}
        used[update.site] = _used(place, some, received, parts, cases)
        ratio, far = by.ratio(norm), how.ratios[place] if how.ratios else None
        told, left = update.examples, how.left[place]
        figures[update.site] = Figures(norm, ratio, kept[place], cases, told, because, alike[place], far, left)
    lengths = {update.site: norms[k] * left for update, k, left in zip(some, fine, kept, strict=True)}
    return Judgement(used, refused, figures, _remembered(before, lengths, [*refused], by, how, bounds))


def _remembered(
    before: Memory, lengths: Mapping[str, float], refused: Sequence[str], by: Measure, how: Apart, bounds: BoundsSection
) -> Memory:
    """The memory with one round more: updates as they were used; one that was refused has used all that it had."""
    spent = {site: by.longest(before.lengths.unused(site)) for site in refused}
    after = replace(
        before,
        norms=remembered(before.norms, [*lengths.values()], bounds),
        lengths=before.lengths.after([*lengths.items(), *spent.items()], by.reference, by.clip),
    )
    if how.multiple is None:
        return after
    distances = {site: one for site, one in zip(lengths, how.distances, strict=True) if one > 0}
    spent = {site: longest(how.multiple, how.middle, before.apart.unused(site)) for site in refused}
    return replace(
        after,
        distances=remembered(before.distances, [*distances.values()], bounds),
        apart=before.apart.after([*distances.items(), *spent.items()], how.middle, how.multiple),
    )


def _kept(norms: Sequence[float], unused: Sequence[float], cases: Sequence[int], by: Measure) -> list[float]:
    shares = [count / sum(cases) for count in cases]
    return [by.kept(*one) for one in zip(norms, unused, shares, longer(cases), strict=True)]


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


def _used(
    place: int, updates: Sequence[Update], received: Mapping[str, Tensor], parts: Mapping[int, float], cases: int
) -> Update:
    """The update at a place, or of which parts of updates it is made instead; the very same if nothing is changed."""
    update = updates[place]
    if parts == {place: 1.0} and cases == update.examples:
        return update
    tensors = update.tensors
    if parts != {place: 1.0}:
        made = {name: _made(name, updates, received[name], parts) for name in trained(tensors)}
        tensors = {**tensors, **made}
    return replace(update, tensors=tensors, examples=cases)


def _made(name: str, updates: Sequence[Update], received: Tensor, parts: Mapping[int, float]) -> Tensor:
    before = received.double()
    found = before.clone()
    for place, part in parts.items():
        found += (updates[place].tensors[name].double() - before) * part
    return found.to(received.dtype)


def _refusal(norm: float, is_stray: bool, by: Measure) -> Refusal:
    if norm > LONGEST:
        return Refusal(OUT_OF_BOUNDS, f"its update has a norm of {norm:.2g}, which no training gives")
    if is_stray:
        return Refusal(OUT_OF_BOUNDS, "its running statistics or moments moved far more than those of the other sites")
    return Refusal(
        OUT_OF_BOUNDS, f"its update was {_times(by.ratio(norm))}, more than bounds.refuse; something is wrong there"
    )


def _times(ratio: float | None) -> str:
    return "as long as none before" if ratio is None else f"{ratio:.3g} times as long as the sites' median"
