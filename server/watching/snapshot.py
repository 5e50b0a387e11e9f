"""A federation at one moment, for ``fedgraft coordinator status --json``, the console and its metrics: one reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.invitations import Invited, invited
from fedgraft.server.deployment.pki import Validity, validity
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.watching.choice import choose
from fedgraft.server.watching.hospitals import Hospital, hospitals
from fedgraft.server.watching.observed import ENDS, Observed, observe
from fedgraft.server.watching.runs import PastRun, past_runs


@dataclass(frozen=True)
class Federation:
    """What a coordinator knows.

    Attributes:
        now: seconds since 1970.
        address: at which sites reach it.
        running: whether it answers; ``None`` if it was not asked.
        run: the one that goes on, or the last; ``None`` before the first.
        runs: all, the newest first.
    """

    now: float
    address: str
    certificate: Validity
    running: bool | None
    hospitals: tuple[Hospital, ...]
    invited: tuple[Invited, ...]
    run: Observed | None
    runs: tuple[PastRun, ...]

    @property
    def certificate_days(self) -> int:
        """Whole days for which the certificate still holds; negative once it has expired."""
        return (self.certificate.not_after - datetime.fromtimestamp(self.now, UTC)).days


def federation(folder: Folder, states: Mapping[str, str] | None, running: bool | None, now: float) -> Federation:
    """What there is to know now.

    Args:
        states: Flower's, by node id; ``None`` if it was not asked.
        running: whether the coordinator answers; ``None`` if it was not asked.

    Raises:
        DeploymentError: the folder is no coordinator's.
    """
    settings, run = folder.settings(), _run(folder, now)
    return Federation(
        now=now,
        address=f"{settings.hosts[0]}:{settings.port}",
        certificate=validity(folder.certificate, datetime.fromtimestamp(now, UTC)),
        running=running,
        hospitals=hospitals(folder, states, now, "" if run is None or run.state in ENDS else run.plan),
        invited=invited(folder, now),
        run=run,
        runs=past_runs(folder),
    )


def _run(folder: Folder, now: float) -> Observed | None:
    try:
        out = choose(folder, None)
    except DeploymentError:
        return None
    return observe(out, read_announced(folder), now)


def federation_values(found: Federation) -> dict[str, Any]:
    """A federation as plain values, for JSON; what each key means is in docs/console.md."""
    return {
        "now": _stamp(found.now),
        "address": found.address,
        "certificate": {
            "state": found.certificate.state,
            "until": found.certificate.not_after.date().isoformat(),
            "days": found.certificate_days,
        },
        "running": found.running,
        "sites": [asdict(one) for one in found.hospitals],
        "invitations": [{**asdict(one), "until": _stamp(one.until)} for one in found.invited],
        "run": None if found.run is None else run_values(found.run),
        "runs": past_values(found.runs),
    }


def run_values(run: Observed) -> dict[str, Any]:
    """A run as plain values, for JSON."""
    left = {"out", "now", "sites", "curve", "course"}
    return {
        "name": run.out.name,
        "now": _stamp(run.now),
        **{name: value for name, value in vars(run).items() if name not in left},
        "remaining": run.remaining,
        "course": [asdict(one) for one in run.course],
        "sites": [
            {**asdict(site), "heard": None if site.heard is None else run.now - site.heard} for site in run.sites
        ],
    }


def past_values(runs: tuple[PastRun, ...]) -> list[dict[str, Any]]:
    """Runs as plain values, for JSON."""
    return [{**asdict(one), "began": _stamp(one.began)} for one in runs]


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
