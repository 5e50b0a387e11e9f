"""What people at this site decided about plans: ``state/approvals.jsonl``, a chain of lines, and the plans that wait.

A plan that comes and was not decided about is kept in ``state/pending/DIGEST.json``, for `fedgraft site review`; one
that asks for more than the site's ``bounds`` in ``state/beyond-bounds/``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fedgraft.client.approval.asked import RunOf, read_asked
from fedgraft.client.approval.keeping import newest_in, trim
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError, PlanRefusedError, SiteFileError, UnapprovedError
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.runtime.files import private_folder, replacing

if TYPE_CHECKING:
    from fedgraft.common.plan.plan import Plan

APPROVED, REFUSED, REVOKED = "approved", "refused", "revoked"
Standing = Literal["approved", "refused", "revoked", "ended", "unknown"]
FILE, PENDING, BEYOND, FROM = "approvals.jsonl", "pending", "beyond-bounds", "follows"
"""`FROM`: the field of a line that names the approved plan from which this one follows."""


@dataclass(frozen=True)
class Decisions:
    """The decisions of a site."""

    site: SiteFile

    @property
    def _chain(self) -> Chain:
        return Chain(self.site.state / FILE)

    def lines(self) -> list[dict[str, Any]]:
        """All decisions, the oldest first: each has ``what``, ``plan``, ``by`` and ``time``.

        Raises:
            DataError: the file was changed.
        """
        return self._chain.read()

    def write(self, what: str, plan: str, by: str, about: Mapping[str, Any]) -> None:
        """Note a decision about a plan's digest.

        Raises:
            DataError: the file was changed.
        """
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._chain.append({"time": stamp, "what": what, "plan": plan, "by": by, **about})

    def last(self, plan: str) -> Mapping[str, Any] | None:
        """The newest decision about a plan.

        Raises:
            DataError: the file was changed.
        """
        return _last(self.lines(), plan)

    def standing(self, plan: str, today: date | None = None) -> Standing:
        """Whether a plan may be carried out here now.

        Raises:
            DataError: the file was changed.
        """
        if self.site.approval == "all":
            return "approved"
        if self.site.approval == "listed":
            return "approved" if plan in self.site.approved else "unknown"
        return standing_in(self.lines(), plan, today or date.today())

    def require(self, plan: str) -> None:
        """
        Raises:
            UnapprovedError: nobody has approved the plan, or not for today.
            PlanRefusedError: somebody refused it, or revoked the approval, or site.yaml does not list it.
            DataError: the file was changed.
        """
        standing = self.standing(plan)
        if standing in (REFUSED, REVOKED) or (standing == "unknown" and self.site.approval == "listed"):
            raise PlanRefusedError(f"plan {plan[:16]} is {standing} at this site")
        if standing != APPROVED:
            raise UnapprovedError(f"plan {plan[:16]} waits: fedgraft site review, then fedgraft site approve")

    def approved(self) -> tuple[str, ...]:
        """Digests of the plans that are approved now, in the order in which they were; those of site.yaml, if these
        count; none if the file was changed, or any plan may come."""
        if self.site.approval == "listed":
            return self.site.approved
        if self.site.approval == "all":
            return ()
        try:
            lines, today = self.lines(), date.today()
        except DataError:
            return ()
        known = dict.fromkeys(line["plan"] for line in lines)
        return tuple(plan for plan in known if standing_in(lines, plan, today) == APPROVED)

    def refused(self) -> tuple[str, ...]:
        """Digests of the plans that a person refused, or whose approval was revoked, in the order of these; none if the
        file was changed, or nobody is asked."""
        if self.site.approval != "ask":
            return ()
        try:
            lines, today = self.lines(), date.today()
        except DataError:
            return ()
        last = {line["plan"]: place for place, line in enumerate(lines)}
        standing = {plan: standing_in(lines, plan, today) for plan in sorted(last, key=lambda plan: last[plan])}
        return tuple(plan for plan, one in standing.items() if one in (REFUSED, REVOKED))

    def run_of(self, plan: str) -> RunOf:
        """Whether the run that asked for a plan goes on, as far as the coordinator has said. A plan that `follows` from
        another is asked for with that one.

        Raises:
            DataError: the file was changed.
        """
        said, places = read_asked(self.site.state), (self.kept_at(plan), self._beyond_at(plan))
        path = next((place for place in places if place.is_file()), None)
        if said is None or path is None:
            return "unknown"
        line = self.last(plan)
        origin = plan if line is None else str(line.get(FROM, plan))
        return said.run_of(origin if plan not in said.plans else plan, path.stat().st_mtime, time.time())

    def changed(self) -> tuple[int, int]:
        """Differs after each decision."""
        try:
            status = (self.site.state / FILE).stat()
        except OSError:
            return (0, 0)
        return status.st_mtime_ns, status.st_size

    def came_last(self) -> int:
        """Differs after each plan that came for the first time."""
        try:
            return (self.site.state / PENDING).stat().st_mtime_ns
        except OSError:
            return 0

    def receipt(self, plan: str) -> str:
        """The JSON of the receipt that goes with an answer; empty if nobody had to approve the plan."""
        line = None if self.site.approval != "ask" else self.last(plan)
        return "" if line is None or "receipt" not in line else json.dumps(line["receipt"], sort_keys=True)

    def keep_pending(self, plan: Plan) -> None:
        """Keep a plan that came; one whose run was over is asked for again."""
        path = self.kept_at(plan.digest)
        if path.is_file():
            if self.run_of(plan.digest) == "over":
                path.touch()
        else:
            _keep(plan, path)
            trim(list(self._undecided().values()))

    def keep_beyond(self, plan: Plan) -> None:
        """Keep a plan that came and asks for more than ``bounds``."""
        _keep(plan, self._beyond_at(plan.digest))
        trim(list(self.beyond().values()))

    def forget_beyond(self, plan: Plan) -> None:
        """A plan is within ``bounds`` now."""
        self._beyond_at(plan.digest).unlink(missing_ok=True)

    def pending(self) -> dict[str, Path]:
        """The plans that came and wait for a decision, by digest, the newest first; without those of whose run the
        coordinator has said that it is over."""
        return {plan: path for plan, path in self._undecided().items() if self.run_of(plan) != "over"}

    def over(self) -> tuple[str, ...]:
        """The plans that nobody decided about, and whose run is over, the newest first."""
        return tuple(plan for plan in self._undecided() if self.run_of(plan) == "over")

    def _undecided(self) -> dict[str, Path]:
        files = newest_in(self.site.state / PENDING)
        return {path.stem: path for path in files if self.standing(path.stem) in ("unknown", "ended")}

    def beyond(self) -> dict[str, Path]:
        """The plans that were refused by the site's ``bounds`` when they came last, by digest, the newest first."""
        return {path.stem: path for path in newest_in(self.site.state / BEYOND)}

    def came(self, start: str, *, beyond: bool = False) -> tuple[str, Path]:
        """A plan that came to this site, by the first figures of its digest.

        Args:
            beyond: also one that was refused by ``bounds``, about which nobody is to decide.

        Raises:
            SiteFileError: there is none, or several.
        """
        refused = {plan: path for plan, path in self.beyond().items() if start.isalnum() and plan.startswith(start)}
        kept = sorted((self.site.state / PENDING).glob(f"{start}*.json")) if start.isalnum() else []
        found = list(({path.stem: path for path in kept} | (refused if beyond else {})).values())
        if len(found) != 1 or len(start) < 6:
            waiting = ", ".join(one[:16] for one in self.pending()) or "none"
            why = (
                "give six or more figures of"
                if len(start) < 6
                else "none that came has"
                if not found
                else "several have"
            )
            if not found and refused:
                why = "`bounds` in site.yaml refused it when it came; `fedgraft site review` shows why. None else has"
            raise SiteFileError(f"plan {start!r}: {why} this digest; waiting: {waiting}")
        return found[0].stem, found[0]

    def kept_at(self, plan: str) -> Path:
        """Where a plan that came is kept, by its digest."""
        return self.site.state / PENDING / f"{plan}.json"

    def _beyond_at(self, plan: str) -> Path:
        return self.site.state / BEYOND / f"{plan}.json"


def _keep(plan: Plan, path: Path) -> None:
    private_folder(path.parent)
    with replacing(path, private=True) as partial:
        partial.write_text(plan.to_json(), encoding="utf-8")


def _last(lines: Sequence[Mapping[str, Any]], plan: str) -> Mapping[str, Any] | None:
    return next((line for line in reversed(lines) if line["plan"] == plan), None)


def standing_in(lines: Sequence[Mapping[str, Any]], plan: str, today: date) -> Standing:
    """How a plan stands after these decisions."""
    line = _last(lines, plan)
    if line is None:
        return "unknown"
    if FROM in line:
        return standing_in(lines, line[FROM], today)
    until = line.get("receipt", {}).get("until")
    if line["what"] == APPROVED and until and today > date.fromisoformat(until):
        return "ended"
    return line["what"]  # type: ignore[no-any-return]
