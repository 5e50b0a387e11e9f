"""Ask the sites for sums over their training cases (``query.sums``), and add them up."""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.common.interfaces.head_start import Sums
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import SUMS, SumsQuestion, pack_sums_question
from fedgraft.server.exchange.guard import read_sums
from fedgraft.server.exchange.ledger import Entry, Ledger, What
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.noisy.before_rounds import Question, told_before_rounds
from fedgraft.server.rounds.state import RunContext

_WITHHELD = (
    "it told no sums: release.statistics or release.class_counts forbids it, or fewer patients than min_count have a "
    "class that is there"
)


def told_sums(
    context: RunContext, roster: Roster, specs: messages.Specs, asked: SumsQuestion, what: What
) -> list[Sums]:
    """The sums of each site that told them; those that withhold them are left out, by name in the ledger.

    Args:
        roster: the sites to ask.
        specs: of each site's sums.
        what: the ledger's word for this question.

    Raises:
        TooFewError, RoundError: as `told_before_rounds`.
    """
    question = Question(
        pack_sums_question(asked),
        SUMS,
        what,
        "told their sums",
        lambda reply, expected: read_sums(reply, expected, specs),
        lambda found: _WITHHELD if found.sums is None else "",
    )
    return [one.sums for one in told_before_rounds(context, roster, question) if one.sums is not None]


def missing(ledger: Ledger, what: What) -> list[str]:
    """For an error's text: a line for each site whose sums are missing, with the reason."""
    return [f"  - {one.site}: {one.reason}" for one in _last(ledger, what) if one.reason]


def withheld(ledger: Ledger, what: What) -> list[str]:
    """Names of the sites of which sums (or moments, as ``what`` says) were asked for but are not used."""
    return sorted(one.site for one in _last(ledger, what) if one.outcome != "ok" or one.reason)


def _last(ledger: Ledger, what: What) -> list[Entry]:
    """The last line on each site: who did not answer at first may have done so when it was asked again."""
    return list({one.site: one for one in ledger.of(what)}.values())


def total(sums: Sequence[Sums]) -> Sums:
    """The sums of at least one site, added up."""
    first, *others = sums
    found = {name: tensor.clone() for name, tensor in first.items()}
    for one in others:
        for name, tensor in one.items():
            found[name] += tensor
    return found
