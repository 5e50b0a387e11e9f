"""``fedgraft site evaluate --send``: tell the coordinator what a model that it published found at this site.

What leaves is what an evaluation in a run tells (docs/tasks.md): counts and histograms of scores, through the same
gate, and it is logged like all that leaves.
"""

from __future__ import annotations

import time
from pathlib import Path

from fedgraft.client.deployment.fetching import asking, refusal_of
from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.site.fetched import MODELS
from fedgraft.client.site.release import grouped_by, log_release, release_evaluations
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.common.errors import DeploymentError, PrivacyError, SiteFileError
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.model_folder.digests import DIGESTS, EVALUATIONS, file_digest
from fedgraft.common.model_folder.folder import ModelFolder
from fedgraft.common.model_folder.signature import check_signature
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.signed_requests import signed_headers
from fedgraft.common.wire.external import External, pack_external

_ALL = "all"
"""Instead of a split: all cases of the site."""
ANSWER_SECONDS = 60.0
"""The first time, the coordinator loads torch to check what it is sent: ten seconds on a busy machine."""


def require_sendable(site: SiteFile, site_file: Path, model: ModelFolder) -> Coordinator:
    """The coordinator that figures of this model can be sent to; asked before anything is computed.

    Raises:
        SiteFileError: the site's file names no coordinator, or the site or the plan forbids it.
        PrivacyError: as `require_no_promise`.
        DeploymentError: the model was not fetched from the coordinator.
        ModelError: the coordinator did not sign it.
    """
    coordinator = require_coordinator(site, site_file)
    if model.path.resolve().parent != (site.state / MODELS).resolve():
        raise DeploymentError(
            f"--send is for models that the coordinator published: {model.path} does not lie in {site.state / MODELS}; "
            "get it by fedgraft site fetch NAME"
        )
    check_signature(model.path, coordinator.ca)
    if not site.release.evaluation:
        raise SiteFileError(
            f"{site_file} has release.evaluation: false; nothing is sent. Leave out --send, or allow it"
        )
    if not model.plan.release.evaluation:
        raise SiteFileError(
            "the model's plan has release.evaluation=false: its sites tell no figures; leave out --send"
        )
    require_no_promise(site, model.plan)
    return coordinator


def require_no_promise(site: SiteFile, plan: Plan) -> None:
    """
    Raises:
        PrivacyError: figures of the plan's model would break a promise to the site's patients, since they have no
            noise.
    """
    promised = "site.yaml has a `privacy` budget" if site.privacy is not None else ""
    promised = promised or (f"the model's plan has privacy={plan.privacy.unit}" if plan.privacy.on else "")
    if promised:
        raise PrivacyError(f"{promised}, and figures would leave without noise; leave out --send")


def send(coordinator: Coordinator, site: SiteFile, model: ModelFolder, found: Evaluation, trained: bool) -> int:
    """Send an evaluation on all cases; returns the number of bytes.

    Args:
        trained: whether the site's cases were among those that the model was trained on.

    Raises:
        SiteFileError: it is of fewer than ``min_count`` cases.
        DeploymentError: the coordinator can't be reached, or does not take it.
    """
    released = release_evaluations({_ALL: found}, model.plan.release, site.release)
    if _ALL not in released:
        raise SiteFileError(
            f"{found.cases} case(s) are fewer than release.min_count={site.release.min_count}; not sent"
        )
    grouped = grouped_by(model.plan.release, site.release)
    content = pack_external(External(file_digest(model.path / DIGESTS), trained, released[_ALL], grouped))
    path = f"/models/{model.path.name}/{EVALUATIONS}"
    log_release(site.state / "released.jsonl", "external", 0, released, model=model.path.name)
    with asking(coordinator) as connection:
        connection.sock.settimeout(ANSWER_SECONDS)
        headers = signed_headers(coordinator.key, path, time.time(), content)
        connection.request("POST", path, body=content, headers={**headers, "content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise DeploymentError(
                f"the coordinator at {coordinator.address} does not take the evaluation: {refusal_of(answer)}"
            )
    return len(content)
