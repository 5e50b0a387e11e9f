"""Between the handlers and the way out: with ``aggregation.secure`` an answer leaves masked, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flwr.app import RecordDict

from fedgraft.client.secure.steps import masked_answer, take
from fedgraft.client.secure.vault import Vault
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.release import append_line
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import SecureError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.records import config_of, text_of
from fedgraft.common.secure.layout import Scale
from fedgraft.common.wire import messages
from fedgraft.common.wire.summed.kind import Arrays, Asked
from fedgraft.common.wire.summed.kinds import KINDS, OPEN
from fedgraft.common.wire.summed.places import SECURE
from fedgraft.common.wire.summed.steps import STEP, pack_told, unpack_step
from fedgraft.common.wire.summed.words import Summand, pack_words, unpack_summand

Change = Callable[[str, Arrays, Plan, Vault, int, SiteFile], Arrays]


class Kept(Protocol):
    """What a site keeps between messages (`fedgraft.client.app.workspace.Workspace`), as far as secure sums need it."""

    def site(self, path: Path) -> SiteFile:
        """The site of a site file."""

    def plan(self, site: SiteFile, digest: str) -> Plan:
        """A plan that the site was prepared for.

        Raises:
            WireError: it was not.
        """

    def vault(self, site: SiteFile) -> Vault:
        """What the site remembers of secure sums."""


def take_step(content: RecordDict, workspace: Kept, site_file: Path, run: int) -> RecordDict:
    """Handle ``query.secure``.

    Raises:
        SecureError: the plan does not sum securely, or the site refuses the step.
    """
    site, step = workspace.site(site_file), unpack_step(content)
    if not workspace.plan(site, step.plan).aggregation.secure:
        raise SecureError("the plan has no secure sums (aggregation.secure)")
    vault = workspace.vault(site)
    member, told = take(step, vault.read(run), site)
    vault.write(run, member)
    if step.unmasking is not None:
        asked = step.unmasking
        about = {"sum": asked.number, "sites": len(asked.answered), "lost": len(asked.lost)}
        append_line(site.state / RELEASED, "shares for a secure sum", run, plan=step.plan, **about)
    return pack_told(told)


def require_secure(plan: Plan, site: SiteFile) -> None:
    """
    Raises:
        SecureError: the site takes part in secure sums only (``secure.required``), and the plan has none.
    """
    if site.secure.required and not plan.aggregation.secure:
        raise SecureError(
            "this site takes part in plans with aggregation.secure only (secure.required in its site.yaml)"
        )


def require_way(kind: str, content: RecordDict, workspace: Kept, site_file: Path) -> Plan | None:
    """The plan, if a question is to be answered in a secure sum; ``None`` if the answer leaves as it is.

    Raises:
        SecureError: the plan sums securely and the question does not come in a secure sum, or the other way round.
        WireError: the site has not received the plan.
    """
    if kind in (*OPEN, STEP):
        return None
    digest, summand = _plan_in(content), unpack_summand(content)
    plan = workspace.plan(workspace.site(site_file), digest) if digest else None
    secure = plan is not None and plan.aggregation.secure
    if secure and (kind not in KINDS or summand is None):
        raise SecureError(
            f"the plan says aggregation.secure: this site answers `{kind}` in a secure sum, or not at all"
        )
    if not secure and summand is not None:
        raise SecureError("the plan has no secure sums (aggregation.secure)")
    return plan if secure else None


def sealed(
    kind: str, content: RecordDict, answer: RecordDict, workspace: Kept, site_file: Path, run: int, change: Change
) -> RecordDict:
    """An answer as masked words, if it must be; it leaves after the site has written down that these masks are used.

    Args:
        change: what is done to the arrays before they are masked.

    Raises:
        SecureError: as `require_way`, or it can't be masked (`fedgraft.client.secure.steps.masked_answer`).
        WithheldError: the site withholds what was asked.
    """
    plan = require_way(kind, content, workspace, site_file)
    if plan is None:
        return answer
    site, summand = workspace.site(site_file), unpack_summand(content)
    assert summand is not None  # or there was no way
    arrays, vault = KINDS[kind].arrays(answer, Asked(content, plan)), workspace.vault(site)
    arrays = change(kind, arrays, plan, vault, run, site)
    member, words = masked_answer(arrays, summand, plan.digest, scale_of(summand, plan), vault.read(run), site)
    vault.write(run, member)
    about = {"sum": summand.number, "numbers": sum(part.size for part in words.parts)}
    append_line(site.state / RELEASED, f"masked {kind}", run, plan=plan.digest, **about)
    return pack_words(words)


def is_summed(kind: str, content: RecordDict) -> bool:
    """Whether a question asks for masked words."""
    return kind in KINDS and SECURE in content


def is_unmasking(kind: str, content: RecordDict) -> bool:
    """Whether a question asks for shares of a sum's masks."""
    return kind == STEP and unpack_step(content).unmasking is not None


def unsealed(content: RecordDict) -> RecordDict:
    """A question without the record on its sum, which is another one when the same is asked again."""
    return RecordDict({name: record for name, record in content.items() if name != SECURE})


def scale_of(summand: Summand, plan: Plan) -> Scale:
    """How finely a sum is counted."""
    return Scale(summand.all_cases, plan.aggregation.range)


def _plan_in(content: RecordDict) -> str:
    """The digest of the plan that a question is about; ``""`` if it brings the plan itself."""
    if messages.CONFIG in content:
        return text_of(config_of(content, messages.CONFIG), "plan")
    record = config_of(content, messages.PLAN)
    if "json" in record:
        return ""
    return text_of(record, "digest")
