"""What part a site takes in runs: its own word, whatever a plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import RoleError

if TYPE_CHECKING:
    from fedgraft.common.plan.plan import Plan

TRAIN, EVALUATE, PREDICT = "train", "evaluate", "predict"


def trains_in(site: SiteFile, plan: Plan) -> bool:
    """Whether a site trains in a plan: its role says so, and the plan does not hold it out."""
    return site.role == TRAIN and site.name not in plan.hold_out


def require_part_in_runs(site: SiteFile) -> None:
    """
    Raises:
        RoleError: the site only predicts.
    """
    if site.role == PREDICT:
        raise RoleError("role: predict in site.yaml: this site takes part in no run")


def require_role_to_train(site: SiteFile) -> None:
    """
    Raises:
        RoleError: the site does not train.
    """
    if site.role != TRAIN:
        raise RoleError(f"role: {site.role} in site.yaml: nothing that rests on training cases leaves this site")
