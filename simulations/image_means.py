"""Means over the images of simulated sites, for what shows harmonised images before a run asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fedgraft.client.cohort import ignore
from fedgraft.client.describe_images import images_of, site_means
from fedgraft.client.site import read_site_file
from fedgraft.client.store import Store
from fedgraft.common.harmony import harmony_of, wants_reference, with_reference
from fedgraft.common.image_statistics import pooled_means
from fedgraft.common.parts import OURS
from fedgraft.common.plan import Plan


def with_local_means(plan: Plan, sites: Mapping[str, Path], store: Store) -> Plan:
    """The plan that a run over these sites would follow, if all of them answer; decodes all their training images.

    Args:
        sites: site files by name.
        store: where they keep what their cases become.

    Raises:
        PlanError: no site tells anything.
        DataError: a cohort can't be used.
    """
    harmony = harmony_of(plan, (*OURS, *plan.engine.allow))
    if harmony is None or not wants_reference(plan):
        return plan
    told = [read_site_file(sites[name]) for name in sorted(set(sites) - set(plan.hold_out))]
    return with_reference(
        plan, pooled_means([site_means(plan, site, images_of(plan, site, store, ignore), harmony) for site in told])
    )
