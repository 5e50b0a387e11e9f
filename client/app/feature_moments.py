"""Handle ``query.moments``: moments of a site's features, from which those of all sites' cases are pooled."""

from __future__ import annotations

from pathlib import Path

from flwr.app import RecordDict

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.privacy.answers import private_site
from fedgraft.client.site.release import append_line, may_release_means
from fedgraft.client.training.session import Session
from fedgraft.common.errors import WireError
from fedgraft.common.features.moments import Moments, moments_of
from fedgraft.common.wire.feature_moments import SiteMoments, pack_moments, unpack_moments_question


def tell_moments(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Answer with the moments, if the site file allows it, and log the answer.

    Raises:
        WireError: the plan was never prepared here, or asks for no moments.
        DataError: the cohort can't be used.
    """
    digest = unpack_moments_question(content)
    session = workspace.open(site_file, digest, run)
    if not session.plan.features.needs_common or session.held_out:
        raise WireError("the plan asks this site for no moments of features")
    found = (
        private_site(session, workspace.vault(session.site)).moments()
        if session.plan.privacy.on
        else site_moments(session)
    )
    about: dict[str, object] = {"withheld": True}
    if found is not None:
        norms = {"mean": round(float(found.mean.norm()), 6), "squares": round(float(found.squares.norm()), 6)}
        about = {"cases": found.cases, "features": len(found.mean), "tensors": norms}
    append_line(session.release_log, "moments", run, plan=digest, **about)
    return pack_moments(SiteMoments(session.site.name, digest, found))


def site_moments(session: Session) -> Moments | None:
    """The moments over this site's training cases, by the untrained model; ``None`` if they may not leave."""
    patients = len(set(session.accepted.splits["train"].patients))
    if session.scaling is None or not may_release_means(patients, session.site.release):
        return None
    if not session.accepted.may_tell_of_training("moments of features"):
        return None
    session.model.load(session.initial)
    return moments_of(session.scaling.features)
