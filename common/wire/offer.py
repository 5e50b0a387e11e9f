"""A site's answer to ``query.prepare``: its name and how many cases it has; packed and unpacked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import FewPatientsError, RoleError, WireError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.records import Value, config_of, count_of, is_count, own_content, own_record, text_of
from fedgraft.common.wire.messages import EXAMPLES, SITE

_REASON = re.compile(r"[a-z]+(-[a-z]+){0,3}")
_MOST_REASONS = 64
_MOST_RECEIPT = 8192


@dataclass(frozen=True)
class Offer:
    """What a site offers for a plan.

    Attributes:
        site: the site's name.
        plan_digest: digest of the plan that it answers to.
        has_backbone: whether the site holds the plan's backbone already.
        lacks: digests of the networks that it lacks; empty if it holds them all.
        abstains: the code of why the site sends no update though the plan lets it train; ``""`` if it does. Its
            training cases are then told as 0.
        examples: training cases.
        class_counts: the task's counts of training cases, ``None`` if withheld.
        quarantined: how many cases the site can't use, by reason; 0 for fewer than its ``min_count``; empty if there
            are none, or withheld.
        fractions: the shares of its patients that validate and test, if they are others than the plan's, which a
            site's own fractions (or its manifest) overrule; else ``None``.
        seconds: how long the site thinks that a round takes it, to two figures; ``None`` if it does not say.
        marked: for each output, on how many training cases the site marks it at all; ``None`` if it marks all on all.
        receipt: the JSON of its consent receipt for the plan (`fedgraft.client.approval.receipt`); empty if nobody had
            to approve it.
        grouped: of how many neighbouring cases or more the site tells scores together (``release.scores: merged``); 0
            if it tells each, or no evaluation.
    """

    site: str
    plan_digest: str
    has_backbone: bool
    examples: int
    class_counts: tuple[int, ...] | None
    quarantined: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    abstains: str = ""
    fractions: tuple[float, float] | None = None
    seconds: float | None = None
    receipt: str = ""
    marked: tuple[int, ...] | None = None
    grouped: int = 0


def pack_offer(offer: Offer) -> RecordDict:
    """The content of a site's reply to ``query.prepare``."""
    record: dict[str, Value] = {
        "name": offer.site,
        "plan": offer.plan_digest,
        "has-backbone": offer.has_backbone,
        EXAMPLES: offer.examples,
    }
    if offer.class_counts is not None:
        record["class-counts"] = list(offer.class_counts)
    if offer.marked is not None:
        record["marked"] = list(offer.marked)
    if offer.quarantined:
        record["quarantine-reasons"] = list(offer.quarantined)
        record["quarantine-counts"] = list(offer.quarantined.values())
    if offer.lacks:
        record["lacks"] = list(offer.lacks)
    if offer.abstains:
        record["abstains"] = offer.abstains
    if offer.fractions is not None:
        record["fractions"] = list(offer.fractions)
    if offer.seconds is not None:
        record["seconds"] = offer.seconds
    if offer.receipt:
        record["receipt"] = offer.receipt
    if offer.grouped:
        record["scores-in-groups-of"] = offer.grouped
    return own_content({SITE: own_record(record)})


def unpack_offer(content: RecordDict, task: AnyTask) -> Offer:
    """Read what a site sent.

    Raises:
        WireError: a key is missing or ill-typed, or the counts are not the task's.
    """
    record = config_of(content, SITE)
    site, examples = text_of(record, "name"), count_of(record, EXAMPLES)
    if not SITE_NAME.fullmatch(site):
        raise WireError("a site's name must be letters, digits, - and _ (at most 64)")
    return Offer(
        site=site,
        plan_digest=text_of(record, "plan"),
        has_backbone=record.get("has-backbone") is True,
        examples=examples,
        class_counts=_class_counts(record, task, examples),
        quarantined=_quarantined(record),
        lacks=_lacks(record),
        abstains=_abstains(record),
        fractions=_fractions(record),
        seconds=_seconds(record),
        receipt=_receipt(record),
        marked=_marked(record, task, examples),
        grouped=_grouped(record),
    )


def _grouped(record: ConfigRecord) -> int:
    return count_of(record, "scores-in-groups-of") if "scores-in-groups-of" in record else 0


def _receipt(record: ConfigRecord) -> str:
    text = record.get("receipt", "")
    try:
        usable = (
            isinstance(text, str) and len(text) <= _MOST_RECEIPT and (not text or isinstance(json.loads(text), dict))
        )
    except ValueError:
        usable = False
    if not usable:
        raise WireError("a consent receipt must be a JSON object of a few lines")
    return str(text)


def _seconds(record: ConfigRecord) -> float | None:
    found = record.get("seconds")
    if found is not None and not (isinstance(found, float) and 0 <= found < math.inf):
        raise WireError("how long a round takes a site must be a number of seconds")
    return found


def _fractions(record: ConfigRecord) -> tuple[float, float] | None:
    found = record.get("fractions")
    if found is None:
        return None
    if (
        not isinstance(found, list)
        or len(found) != 2
        or not all(isinstance(one, float) and 0 <= one < 1 for one in found)
    ):
        raise WireError("a site's fractions must be two numbers from 0 to below 1")
    return float(found[0]), float(found[1])


def _lacks(record: ConfigRecord) -> tuple[str, ...]:
    lacks = record.get("lacks", [])
    if not isinstance(lacks, list) or not all(isinstance(one, str) for one in lacks):
        raise WireError("what a site lacks must be a list of digests")
    return tuple(map(str, lacks))


def _abstains(record: ConfigRecord) -> str:
    code = record.get("abstains", "")
    if code not in ("", FewPatientsError.code, RoleError.code):
        raise WireError("why a site abstains must be a known code")
    return str(code)


def _class_counts(record: ConfigRecord, task: AnyTask, examples: int) -> tuple[int, ...] | None:
    counts = record.get("class-counts")
    if counts is None:
        return None
    if not isinstance(counts, list) or len(counts) != len(task.counts) or not all(map(is_count, counts)):
        raise WireError(f"class counts must be {len(task.counts)} whole numbers")
    if not task.fits(counts, examples):  # type: ignore[arg-type]
        raise WireError("the class counts do not fit the number of training cases")
    return tuple(int(count) for count in counts)


def _marked(record: ConfigRecord, task: AnyTask, examples: int) -> tuple[int, ...] | None:
    marked = record.get("marked")
    if marked is None:
        return None
    if not isinstance(marked, list) or len(marked) != task.outputs or not all(map(is_count, marked)):
        raise WireError(f"how many cases each finding is marked on must be {task.outputs} whole numbers")
    counts = tuple(int(one) for one in marked)
    if max(counts) > examples:
        raise WireError("a finding is marked on more cases than there are to train on")
    return counts


def _quarantined(record: ConfigRecord) -> dict[str, int]:
    reasons, counts = record.get("quarantine-reasons", []), record.get("quarantine-counts", [])
    if not isinstance(reasons, list) or not isinstance(counts, list) or len(reasons) != len(counts):
        raise WireError("the quarantine must be a count for each reason")
    known = [reason for reason in reasons if isinstance(reason, str) and _REASON.fullmatch(reason)]
    if len(known) != len(reasons) or len(set(known)) != len(known) or len(known) > _MOST_REASONS:
        raise WireError("a quarantine reason must be a short code, each named once")
    if not all(map(is_count, counts)):
        raise WireError("a quarantine count must be a whole number")
    return dict(zip(known, map(int, counts), strict=True))
