"""Whether the released graft tells who trained it: membership inference with shadow grafts."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.simulations.audit.cases import AuditedRun, Pool
from fedgraft.simulations.audit.finding import Finding, NotTriedError, Table, not_tried
from fedgraft.simulations.audit.heads import Heads
from fedgraft.simulations.audit.likelihood import Attacked, attacked_each, attacked_once, ratios, ratios_left_out
from fedgraft.simulations.audit.shadows.recipe import Recipe, recipe_of
from fedgraft.simulations.audit.words import interval, of_members

NAME, TITLE = "membership", "Was a given patient among the training cases? Asked of the released model"
_ASKED = (
    "Somebody has the released model, and a patient's image and label. They train models of their own, with and "
    "without that patient, and look whether the released one is as sure of the patient as those that had seen them "
    "(LiRA, Carlini et al. 2022)."
)
FEWEST = 16
_FEW_OTHERS = 20


def membership(audited: AuditedRun, shadows: int, seed: int = 0) -> Finding:
    """Attack the released head, and each shadow by all others.

    Args:
        shadows: how many heads, `FEWEST` or more.
    """
    try:
        pool = audited.pool
        recipe = recipe_of(audited.plan, pool, final_round(audited))
        keep, heads = trained(pool, recipe, shadows, torch.Generator().manual_seed(seed))
    except NotTriedError as why:
        return not_tried(NAME, TITLE, _ASKED, str(why))
    known = torch.cat([some.confidences(pool.inputs, pool.labels) for some in heads])
    if not bool(torch.isfinite(known).all()):
        return not_tried(NAME, TITLE, _ASKED, "shadow heads did not come to an end with the plan's rates")
    each = attacked_each(ratios_left_out(known, keep), keep)
    one = _released(audited, pool, known, keep)
    return Finding(NAME, TITLE, _ASKED, _said(recipe, shadows, one, each), _table(one, each), _figures(one, each))


def trained(pool: Pool, recipe: Recipe, shadows: int, generator: torch.Generator) -> tuple[Tensor, list[Heads]]:
    """Shadow heads, each of a random half of all patients, ``(B, N)`` bool, in parts."""
    patients = int(pool.patient.max()) + 1
    keep = (torch.rand(shadows, patients, generator=generator) < 0.5)[:, pool.patient]
    return keep, [recipe.train(part, generator) for part in keep.split(recipe.at_once)]


def final_round(audited: AuditedRun) -> int:
    """The round whose model was released."""
    return int(audited.run.summary["final_round"])


def _released(audited: AuditedRun, pool: Pool, known: Tensor, keep: Tensor) -> Attacked | None:
    """The attack on the run's own head; ``None`` without enough cases of the same sites that did not train it."""
    if int((~pool.member).sum()) < _FEW_OTHERS:
        return None
    target = audited.released.confidences(pool.inputs, pool.labels)
    return attacked_once(ratios(known, keep, target)[0], pool.member, pool.patient)


def _said(recipe: Recipe, shadows: int, one: Attacked | None, each: Attacked) -> tuple[str, ...]:
    found = [f"{shadows} shadow heads, each of a random half of the patients: {recipe.said}."]
    found += [f"They are not quite as the run's head: {one}." for one in recipe.inexact]
    if one is None:
        found.append(
            "The released head itself was not attacked: the sites keep no (or under 20) validation or test cases, and "
            "without cases that did not train it nobody can tell whether a guess is right. Simulate with "
            "data.val_fraction=0.15 for that."
        )
    else:
        found.append(f"Of the released head: {of_members(one)}")
    found.append(f"Of a head like it, over all shadows: {of_members(each)}")
    return tuple(found)


def _table(one: Attacked | None, each: Attacked) -> Table:
    headings = (
        "attacked",
        "AUROC (0.5: guessing)",
        "members found, 1 % false alarms (1 %: guessing)",
        "members / others",
    )
    named = [("each shadow, by the others", each), *([("the released head", one)] if one is not None else [])]
    rows = [
        (
            name,
            interval(got.auroc, got.auroc_interval),
            interval(got.found, got.found_interval, share=True),
            f"{got.members:,} / {got.others:,}",
        )
        for name, got in named
    ]
    return Table(headings, tuple(rows))


def _figures(one: Attacked | None, each: Attacked) -> dict[str, object]:
    return {"released": None if one is None else one.to_dict(), "shadows": each.to_dict()}
