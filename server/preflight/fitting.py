"""Whether a plan fits the registered sites, before anything is submitted: one table, with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.parts import is_within
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.site_facts import CALLED, ROOM_FIGURES, SiteFacts, most_of
from fedgraft.server.deployment.folder import RegisteredSite
from fedgraft.server.deployment.plain_table import plain_table
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.preflight.needs import Needs

KNOWN_SECONDS = 180.0
"""What a site told longer ago than this is not known any more."""
ONLINE = "online"
_SHOWN = 5


@dataclass(frozen=True)
class Misfit:
    """What of a plan does not fit a site, and what to do."""

    what: str
    to_do: str


@dataclass(frozen=True)
class Fit:
    """What is known of one site.

    Attributes:
        online: whether it is connected.
        facts: what it tells; ``None`` if that is not known.
        misfits: empty if the plan fits, or if nothing is known.
    """

    site: RegisteredSite
    online: bool
    facts: SiteFacts | None
    misfits: tuple[Misfit, ...] = ()


def examine(
    needs: Needs,
    sites: Sequence[RegisteredSite],
    states: Mapping[str, str],
    announced: Mapping[str, Announced],
    now: float,
) -> tuple[Fit, ...]:
    """Compare what a plan needs with what each registered site tells.

    Args:
        states: Flower's, by node id.
        announced: by site name.
        now: seconds since 1970.
    """
    found = []
    for site in sites:
        told, online = announced.get(site.name), states.get(site.node_id) == ONLINE
        facts = told.facts if told is not None and now - told.received <= KNOWN_SECONDS else None
        misfits = tuple(_misfits(needs, facts)) if online and facts is not None else ()
        found.append(Fit(site, online, facts, misfits))
    return tuple(found)


def _misfits(needs: Needs, facts: SiteFacts) -> Iterator[Misfit]:
    ours, theirs = ".".join(needs.fedgraft.split(".")[:2]), ".".join(facts.fedgraft.split(".")[:2])
    if ours != theirs or needs.wire != facts.wire:
        yield Misfit(
            f"has fedgraft {facts.fedgraft} (wire {facts.wire}), the coordinator {needs.fedgraft} (wire {needs.wire})",
            f"install fedgraft {needs.fedgraft} at the site, and start the site again",
        )
    if facts.kind is None:
        yield Misfit("its manifest can't be read", "at the site: fedgraft site check")
    elif needs.kind is not None and facts.kind != needs.kind:
        yield Misfit(
            f"a case of the plan is {needs.case}, of its manifest {CALLED[facts.kind]}",
            "another plan for this site, or another `manifest` in its site.yaml",
        )
    elif facts.columns is not None and (missing := [name for name in needs.columns if name not in facts.columns]):
        named = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
        yield Misfit(f"lacks the column(s) {named}", "add them to its table, or leave them out of the plan")
    if facts.columns is not None and (lacks := [name for name in needs.given if name not in facts.columns]):
        yield Misfit(
            f"its manifest lacks the column {', '.join(lacks)}, which data.test=given reads",
            "the site adds it (train, val or test in each line), or data.test=sites in the plan",
        )
    refused = [name for name in needs.packages if not is_within(name, facts.allow)]
    if refused:
        yield Misfit(f"does not allow parts from {', '.join(refused)}", "the site decides: `allow` in its site.yaml")
    least = needs.once + needs.each * (facts.cases or 0)
    if facts.room is not None and least >= most_of(facts.room, ROOM_FIGURES):
        yield Misfit(
            f"its store can hold about {size(facts.room)}, the plan keeps at least {size(least)} there",
            "free space at the site, or put `store` in its site.yaml on another disk",
        )


def misfit_table(fits: Sequence[Fit]) -> str:
    """Sites that the plan does not fit, with what to do, one line for each reason."""
    rows = [(fit.site.name, one.what, one.to_do) for fit in fits for one in fit.misfits]
    return plain_table(("site", "does not fit", "what to do"), rows)


def not_known(fits: Sequence[Fit]) -> str:
    """A sentence on online sites of which nothing is known; empty if there are none."""
    names = [fit.site.name for fit in fits if fit.online and fit.facts is None]
    return f"not known whether the plan fits: {', '.join(names)} (told nothing in the last 3 minutes)" if names else ""


def to_approve(fits: Sequence[Fit], plan: str) -> str:
    """A sentence on sites where a person has not approved the plan yet; empty if there are none.

    Args:
        plan: its digest.
    """
    asking = [fit for fit in fits if fit.facts is not None and fit.facts.approval == "ask"]
    names = ", ".join(fit.site.name for fit in asking if fit.facts is not None and plan not in fit.facts.approved)
    return f"waits until a person there has approved it: {names} (fedgraft site review, approve)" if names else ""


def would_run(fits: Sequence[Fit], plan: Plan) -> str:
    """Where a plan would run now, in sentences: who is online, who is not, and whether the run would wait."""
    here = [fit.site.name for fit in fits if fit.online and not fit.misfits]
    away = [fit.site.name for fit in fits if not fit.online]
    said = [f"it would run on: {', '.join(here) or 'no site, since none is online'}"]
    if away:
        said.append(f"not online now, and asked once they are: {', '.join(away)}")
    trains, least = [name for name in here if name not in plan.hold_out], plan.patience.quorum_sites
    if len(trains) < least:
        said.append(f"it would wait: {len(trains)} to train online, patience.quorum_sites={least} are needed")
    return "; ".join(said)


def require_quorum(fits: Sequence[Fit], plan: Plan, anyway: bool) -> None:
    """
    Raises:
        DeploymentError: fewer sites are registered than the plan's quorum needs.
    """
    trains = [fit.site.name for fit in fits if fit.site.name not in plan.hold_out]
    least = plan.patience.quorum_sites
    if len(trains) < least and not anyway:
        raise DeploymentError(
            f"nothing was submitted: patience.quorum_sites={least} are needed to train, and {len(trains)} are "
            f"registered for it ({', '.join(trains) or 'none'}); a smaller quorum, or invite more; with --anyway "
            "it is submitted, and waits for them"
        )


def left_out(fits: Sequence[Fit], plan: Plan, anyway: bool) -> dict[str, str]:
    """The sites that the run must leave out, names by node id; empty if the plan fits all that are online.

    Args:
        anyway: submit to those that fit.

    Raises:
        DeploymentError: the plan does not fit, with the table: and it is not to be submitted anyway, no site would be
            left, or one that is held out would not.
    """
    unfit = [fit for fit in fits if fit.misfits]
    if not unfit:
        return {}
    table = f"\n{misfit_table(fits)}\n"
    if not anyway:
        raise DeploymentError(
            f"nothing was submitted: the plan does not fit {len(unfit)} site(s){table}"
            "with --anyway it is submitted to those that it fits"
        )
    if not any(fit.online and not fit.misfits for fit in fits):
        raise DeploymentError(f"nothing was submitted: the plan fits none of the sites that are online{table}".rstrip())
    held_out = [fit.site.name for fit in unfit if fit.site.name in plan.hold_out]
    if held_out:
        raise DeploymentError(
            f"nothing was submitted: the plan holds out {', '.join(held_out)}, which it does not fit{table}".rstrip()
        )
    return {fit.site.node_id: fit.site.name for fit in unfit}


def size(count: int) -> str:
    """Bytes in decimal units: ``2.5 GB``."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} bytes"
