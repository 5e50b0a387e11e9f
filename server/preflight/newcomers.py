"""The check of sites that register, or come back, while a run goes on: the same as before it was submitted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path

from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.server.deployment.folder import LIVE, Folder, read_sites
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.preflight.fitting import ONLINE, examine
from fedgraft.server.preflight.needs import Needs, needs_of

Unfit = Callable[[Collection[int]], Mapping[int, str]]
"""Of some nodes that are connected, those that the plan does not fit, each with the reason and what to do."""


def unfit_newcomers(out: Path, plan: Plan, model: Model) -> Unfit:
    """The check for the run in the folder ``out``, by what each site told the coordinator last; one that finds nothing
    for a run that no coordinator submitted."""
    folder = _coordinator_of(out)
    if folder is None:
        return lambda nodes: {}

    @cache
    def needs() -> Needs:
        return needs_of(plan, model)

    return lambda nodes: unfit(folder, needs(), nodes, time.time()) if nodes else {}


def decided_at(out: Path) -> object:
    """Which plans each site of the run in the folder ``out`` has approved and refused, as it told last; ``None``
    for a run that no coordinator submitted."""
    folder = _coordinator_of(out)
    if folder is None:
        return None
    try:
        return {name: (told.facts.approved, told.facts.refused) for name, told in read_announced(folder).items()}
    except (OSError, ValueError, TypeError):  # the list can't be read now: nothing is known
        return None


def _coordinator_of(out: Path) -> Folder | None:
    live = out / LIVE
    return Folder(Path(json.loads(live.read_text(encoding="utf-8"))["sites"]).parent) if live.is_file() else None


def unfit(folder: Folder, needs: Needs, nodes: Collection[int], now: float) -> dict[int, str]:
    """
    Args:
        now: seconds since 1970.
    """
    try:
        sites = [site for site in read_sites(folder) if int(site.node_id) in nodes]
    except (OSError, ValueError, TypeError):  # the list can't be read now: nothing is known
        return {}
    states = {site.node_id: ONLINE for site in sites}
    fits = examine(needs, sites, states, read_announced(folder), now)
    said = {fit.site.node_id: "; ".join(f"{one.what}: {one.to_do}" for one in fit.misfits) for fit in fits}
    return {int(node): reason for node, reason in said.items() if reason}
