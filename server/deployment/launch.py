"""Submit a plan, or go on with a run that did not complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from fedgraft.common.errors import DeploymentError, PlanError
from fedgraft.common.model_folder.graft import Graft
from fedgraft.common.plan import notebook
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.run_lock import is_free
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import LEFT_OUT, LIVE, REGISTERED, TRACKING, Folder, names_in, read_sites
from fedgraft.server.deployment.open_runs import PLAN, Launched, OpenRun, is_complete, of_folder, reopened, submit
from fedgraft.server.tracking.tracker import require_tracking


def require_deployable(plan: Plan) -> None:
    """
    Raises:
        PlanError: the plan has parts of a notebook, which no site has, or its program for tracking is not installed.
    """
    require_tracking(plan)
    found = notebook.targets_of_notebooks(vars(plan))
    if found:
        raise PlanError(
            [f"{target} is a class of a notebook, for simulations there; {notebook.TO_DO}" for target in found]
        )


def launch(
    folder: Folder,
    plan: Plan,
    out: Path | None,
    left_out: Mapping[str, str] = MappingProxyType({}),
    graft: Graft | None = None,
) -> Launched:
    """Submit a plan.

    Args:
        out: the folder for results; ``None`` for a new one in the coordinator's folder.
        left_out: sites that are not asked, names by node id.
        graft: from which the run begins, if the plan names one; it stays at the coordinator until the first round.

    Raises:
        PlanError: it has parts that no site can have.
        DeploymentError: the result folder is not empty, or the coordinator refused.
    """
    require_deployable(plan)
    orders.require_running(folder)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    target = (folder.runs / f"{stamp}-{plan.digest[:8]}" if out is None else out).resolve()
    if target.exists() and any(target.iterdir()):
        raise DeploymentError(f"--out {target} is not empty; name a new folder, results are never overwritten")
    target.mkdir(parents=True, exist_ok=True)
    names = {site.node_id: site.name for site in read_sites(folder)}
    leave_for_server_app(target, plan, names, folder.sites_file, left_out)
    if graft is not None:
        graft.keep(target)
    run = submit(folder, f"{stamp}-{plan.digest[:8]}", target, resume=False)
    return Launched(run.run_id, target)


def require_resumable(folder: Folder, out: Path, extend: int = 0) -> OpenRun | None:
    """Check that a run of this coordinator can go on; returns it if it is still open.

    Args:
        extend: so many rounds more than its plan says.

    Raises:
        DeploymentError: it is complete, or runs now, or the folder is none of a run; or the coordinator is not running.
    """
    orders.require_running(folder)
    if not (out / PLAN).is_file():
        raise DeploymentError(f"--resume {out} is not the folder of a run that `coordinator run` began (no {PLAN})")
    if extend and not is_complete(out):
        raise DeploymentError(f"--extend is for a run that is complete, which {out} is not; resume it first")
    if is_complete(out) and not extend:
        raise DeploymentError(f"--resume {out}: the run is complete; there is nothing to resume")
    known = of_folder(folder, out)
    if not is_free(out) or (known is not None and not (known.has_ended or known.was_cut_off)):
        raise DeploymentError(f"--resume {out}: the run is going on; nothing was submitted")
    return known


def relaunch(
    folder: Folder, out: Path, extend: int = 0, left_out: Mapping[str, str] = MappingProxyType({})
) -> Launched:
    """Go on with a run of this coordinator that did not complete, or with a complete one for more rounds.

    Args:
        extend: so many rounds more than its plan says.
        left_out: sites that are not asked any more, names by node id.

    Raises:
        DeploymentError: as `require_resumable`; or the coordinator refused.
    """
    out = out.resolve()
    known = require_resumable(folder, out, extend)
    if left_out:
        before = {str(node): name for node, name in names_in(out / LEFT_OUT).items()}
        (out / LEFT_OUT).write_text(json.dumps({**before, **left_out}), encoding="utf-8")
    with reopened(out):
        run = submit(folder, out.name if known is None else known.name, out, resume=True, extend=extend)
    return Launched(run.run_id, out)


def leave_for_server_app(
    out: Path,
    plan: Plan,
    names: Mapping[str, str],
    sites_file: Path,
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write into a run's folder the plan as sites get it, and what the ServerApp needs and sites don't get: the sites'
    names by node id, where the coordinator's list of them is, those of sites that are left out, and the plan's
    ``tracking``."""
    # Flower gives a run's configuration to its nodes, too
    (out / PLAN).write_text(plan.for_sites().to_json(), encoding="utf-8")
    (out / REGISTERED).write_text(json.dumps(dict(names)), encoding="utf-8")
    (out / LIVE).write_text(json.dumps({"sites": str(sites_file.resolve())}), encoding="utf-8")
    (out / LEFT_OUT).write_text(json.dumps(dict(left_out)), encoding="utf-8")
    (out / TRACKING).write_text(json.dumps(asdict(plan.tracking)), encoding="utf-8")
