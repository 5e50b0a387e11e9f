"""Figures of attacks in the words of whoever must judge them."""

from __future__ import annotations

from collections.abc import Mapping

from fedgraft.simulations.audit.finding import Table
from fedgraft.simulations.audit.likelihood import Attacked

_NOTHING, _LITTLE = 0.52, 0.6


def interval(value: float, ends: tuple[float, float], share: bool = False) -> str:
    """``0.512 (0.490 to 0.533)``, or of a share ``1.2 % (0.8 to 1.9)``."""
    low, high = ends
    if share:
        return f"{100 * value:.1f} % ({100 * max(low, 0):.1f} to {100 * high:.1f})"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def of_members(found: Attacked) -> str:
    """What the attack says of members, in a sentence."""
    low = found.auroc_interval[0]
    if low <= 0.5 or found.auroc <= _NOTHING:
        how = "members can hardly be told from others, if at all"
    elif found.auroc <= _LITTLE:
        how = "members can be told from others a little better than by guessing"
    else:
        how = "members can be told from others"
    return (
        f"{how}; of a member and another the attack names the member in {100 * found.auroc:.1f} of 100 pairs (50: "
        f"guessing), and while it takes 1 of 100 others for a member it finds {100 * found.found:.1f} of 100 members "
        "(1: guessing)."
    )


def members_table(by: str, found: Mapping[str, Attacked]) -> Table:
    """What attacks got of members, a row each; ``by`` heads their names."""
    rows = [
        (
            name,
            interval(got.auroc, got.auroc_interval),
            interval(got.found, got.found_interval, share=True),
            f"{got.members:,} / {got.others:,}",
        )
        for name, got in found.items()
    ]
    headings = (by, "AUROC (0.5: guessing)", "members found, 1 % false alarms", "members / others")
    return Table(headings, tuple(rows))
