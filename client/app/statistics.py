"""A site's answer to ``query.describe``: statistics of its training cases that the plan's kind of input asks for."""

from __future__ import annotations

from pathlib import Path

from flwr.app import RecordDict

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.approval.coming import require_approved, require_within
from fedgraft.client.cohort.accepted import accept
from fedgraft.client.cohort.enrolment.roll import Roll
from fedgraft.client.cohort.enrolment.withdrawn import cohort_of
from fedgraft.client.cohort.inputs import Inputs, TellsStatistics
from fedgraft.client.privacy.required import require_private_plan, require_unpromised
from fedgraft.client.secure.way import require_secure
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.release import append_line
from fedgraft.client.site.role import require_part_in_runs, trains_in
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.interfaces.input_kind import FederatedStatistics, Statistics
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan, from_json
from fedgraft.common.wire.statistics import pack_description, unpack_question


def describe(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Answer with the statistics that plan and site file both allow, and log the release.

    Raises:
        WireError: the plan does not have the announced digest, or asks for no statistics.
        PlanError: the kind of input can't be built here, or asks for more than may be sent.
        BoundsError: the plan asks for more than the site allows.
        DataError: the cohort can't be used.
        SecureError: the site takes part in secure sums only, and the plan has none.
        UnapprovedError, PlanRefusedError: nobody at the site approved the plan, or somebody refused it.
    """
    plan_json, digest = unpack_question(content)
    plan = from_json(plan_json)
    if plan.digest != digest:
        raise WireError("the plan does not have the digest that the coordinator announced")
    site = workspace.site(site_file)
    require_part_in_runs(site)
    require_within(site, plan, keep=workspace.asks)
    require_secure(plan, site)
    require_unpromised(plan, "statistics of the input")
    require_private_plan(plan, site)
    if workspace.asks:
        require_approved(site, plan)
    kind = kind_of(plan, site.trusted)
    asked = kind.federated_statistics()
    if asked is None:
        raise WireError("the plan asks for no statistics")
    if problems := kind.problems():
        raise PlanError(problems)
    told = site_statistics(plan, asked, site, workspace.inputs(site, plan), workspace.roll(site), run)
    append_line(site.state / RELEASED, "statistics", run, plan=digest, **asked.figures(told))
    return pack_description(site.name, digest, asked.pack(told))


def site_statistics(
    plan: Plan, asked: FederatedStatistics, site: SiteFile, inputs: Inputs, roll: Roll, run: int = 0
) -> Statistics:
    """The statistics that may leave a site, over its training cases; none if the site does not train.

    Raises:
        PlanError: such inputs have no statistics.
        DataError: the cohort can't be used.
    """
    if not trains_in(site, plan):
        return asked.nothing()
    if not isinstance(inputs, TellsStatistics):
        raise PlanError(f"input: {type(inputs).__name__} tells no statistics, and the plan asks for some")
    with cohort_of(site) as listed:
        accepted = accept(listed, plan, inputs, roll=roll, run=run)
        return inputs.tell(accepted.splits["train"].cases, site.release, accepted.account)
