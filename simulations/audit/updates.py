"""Whether what a coordinator saw of a site, message by message, tells who trained there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from fedgraft.common.errors import FedGraftError
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.simulations.audit.cases import AuditedRun, Pool
from fedgraft.simulations.audit.finding import Finding, NotTriedError, not_tried
from fedgraft.simulations.audit.heads import Heads, residuals
from fedgraft.simulations.audit.likelihood import Attacked, attacked_once
from fedgraft.simulations.audit.seen import Seen, seen
from fedgraft.simulations.audit.words import members_table, of_members

NAME, TITLE = "updates", "Was a given patient among a hospital's training cases? Asked of what the coordinator saw"
_ASKED = (
    "The coordinator keeps every update or gradient of each hospital, has a patient's image and label, and looks "
    "whether the patient's own gradient is in them: as a part of their sum (Nasr et al., S&P 2019), and whether the "
    "patient's features lie in the space that the messages span (Petrov et al., DAGER, NeurIPS 2024)."
)
_FEW = 20
_STEADY, _ROUNDING, _WHOLE = 1e-2, 1e-4, 0.9


def updates(audited: AuditedRun) -> Finding:
    """Run the plan once more, keep what each site told, and look for its cases in it."""
    if audited.plan.aggregation.secure:
        why = (
            "the plan has secure sums (aggregation.secure): the coordinator saw only sums over the hospitals, and of a "
            "single one masked words (docs/secure-aggregation.md). What the sums tell is asked of the released model"
        )
        return not_tried(NAME, TITLE, _ASKED, why)
    try:
        pool = audited.pool
        if int((~pool.member).sum()) < _FEW:
            raise NotTriedError(
                "the sites keep no (or under 20) validation or test cases, and without cases that did not train nobody "
                "can tell whether a guess is right; simulate with data.val_fraction=0.15"
            )
        told = _by_site(seen(audited))
    except NotTriedError as why:
        return not_tried(NAME, TITLE, _ASKED, str(why))
    except FedGraftError as error:
        return not_tried(NAME, TITLE, _ASKED, f"the run could not be repeated so that its messages are seen ({error})")
    white = Whitened(pool.inputs)
    summed, spanned = (attacked(pool, told, white, score) for score in (part_of_sum, in_span))
    count = max(len(some) for some in told.values())
    said = [
        f"The run was repeated, and every message kept: {count} of each hospital at most.",
        f"By the part that a patient's gradient has in them: {of_members(summed)}",
        f"By the space that they span: {of_members(spanned)}",
    ]
    said += of_whole_span(max(len(basis_of(some, white)) for some in told.values()), pool.inputs.shape[1] + 1)
    if audited.plan.privacy.by_patient:
        said.append("Each message has the hospital's own noise; the repeated run has other noise than the first.")
    table = members_table("by", {"part of the sum": summed, "in the span": spanned})
    figures = {"part_of_sum": summed.to_dict(), "in_span": spanned.to_dict(), "messages": count}
    return Finding(NAME, TITLE, _ASKED, tuple(said), table, figures)


def of_whole_span(directions: int, features: int) -> list[str]:
    """What is said where so many messages are that everybody's features lie in their span."""
    if directions < _WHOLE * features:
        return []
    return [
        f"The messages of a hospital span {directions} of {features} directions, so that nearly everybody's features "
        "lie in that space and the figure by the space says nothing. Of so many messages another attack could get "
        "more: exact gradients are equations for each patient's part."
    ]


def _by_site(found: Sequence[Seen]) -> Mapping[str, Messages]:
    """By site, the weights and bias at which it was asked beside the step that it told, ``(C, F + 1)`` each."""
    told: dict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for one in found:
        told[one.site].append((_joined(one.at), _joined(one.step)))
    return told


def _joined(head: Mapping[str, Tensor]) -> Tensor:
    weight = head[HEAD + WEIGHT]
    bias = head.get(HEAD + BIAS, torch.zeros(len(weight), dtype=weight.dtype))
    return torch.cat([weight, bias[:, None]], dim=1).float()


class Whitened:
    """Inputs with a 1 for the bias, in coordinates in which those of all cases are spread alike in all directions."""

    def __init__(self, inputs: Tensor) -> None:
        wide = _with_one(inputs)
        spread = wide.T @ wide / len(wide)
        spread.diagonal().add_(_STEADY * float(spread.diagonal().mean()))
        self._root = torch.linalg.cholesky(spread)

    def inputs(self, inputs: Tensor) -> Tensor:
        """``(N, F)`` -> ``(N, F + 1)``."""
        return self.steps(_with_one(inputs))

    def steps(self, rows: Tensor) -> Tensor:
        """Sums of such rows, ``(M, F + 1)`` both."""
        found: Tensor = torch.linalg.solve_triangular(self._root, rows.T, upper=False).T
        return found


Messages = list[tuple[Tensor, Tensor]]
Score = Callable[[Pool, Tensor, Messages, Whitened], Tensor]


def attacked(pool: Pool, told: Mapping[str, Messages], white: Whitened, score: Score) -> Attacked:
    """Scores of the cases of each site, in deviations of that site's, put together over the sites that have members and
    others."""
    scores = torch.full((len(pool),), torch.nan)
    for place, name in enumerate(pool.sites):
        at = (pool.site == place).nonzero().flatten()
        some = pool.of(at)
        if name not in told or bool(some.member.all()) or not bool(some.member.any()):
            continue
        found = score(some, white.inputs(some.inputs), told[name], white)
        middle = found.median()
        scores[at] = (found - middle) / (found - middle).abs().median().clamp(min=1e-9)
    known = scores.isfinite()
    return attacked_once(scores[known], pool.member[known], pool.patient[known])


def part_of_sum(cases: Pool, inputs: Tensor, told: Messages, white: Whitened) -> Tensor:
    """How far the steps go where each case alone would have them go, ``(N,)``; each message counts alike."""
    found = torch.zeros(len(cases))
    for at, step in told:
        heads = Heads(at[None, :, :-1], at[None, :, -1])
        slopes = residuals(heads.outputs(cases.inputs), cases.labels, torch.nn.functional.cross_entropy)[0]
        own = white.steps(step)
        reached = inputs @ (own / own.norm().clamp(min=1e-12)).T
        found -= (torch.nn.functional.normalize(slopes, dim=1) * reached).sum(dim=1)
    return found


def in_span(cases: Pool, inputs: Tensor, told: Messages, white: Whitened) -> Tensor:
    """The share of each case's inputs that lies in the space of all steps, ``(N,)``."""
    basis = basis_of(told, white)
    shares: Tensor = (inputs @ basis.T).square().sum(dim=1) / inputs.square().sum(dim=1)
    return shares


def basis_of(told: Messages, white: Whitened) -> Tensor:
    """Directions of length 1 that span all steps, ``(R, F + 1)``."""
    rows = torch.cat([step for _, step in told])
    own = white.steps(rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12))
    _, sizes, basis = torch.linalg.svd(own, full_matrices=False)
    found: Tensor = basis[sizes > _ROUNDING * sizes[0]]
    return found


def _with_one(inputs: Tensor) -> Tensor:
    return torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
