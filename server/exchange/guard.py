"""Check every reply before it is used; a bad or missing one excludes the site from the round, with a reason."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from flwr.app import Message, RecordDict
from torch import Tensor

from fedgraft.common.causes import reported, what_to_do
from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.head_start import COUNTS
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.records import config_of, count_of, text_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.familiarity import Told, ToldByPatient, unpack_by_patient, unpack_told
from fedgraft.common.wire.feature_moments import SiteMoments, unpack_moments
from fedgraft.common.wire.gradient import Gradient, unpack_gradient
from fedgraft.common.wire.head_sums import SiteSums, unpack_sums
from fedgraft.common.wire.messages import Decode, Specs, Update
from fedgraft.common.wire.offer import Offer, unpack_offer
from fedgraft.common.wire.prevalence import unpack_prevalence
from fedgraft.common.wire.subgroups import ByGroup, unpack_subgroups
from fedgraft.common.wire.summed.noisy_figures import unpack_noisy_figures
from fedgraft.server.aggregation.moments import impossible

Answer = TypeVar("Answer")
_CODE = re.compile(r"fedgraft:[a-z-]{1,40}")
_OF_FLOWER = {
    3: "the answer did not arrive whole",
    4: "the answer came too late",
    5: "the site went away before it answered: it was stopped, or lost its line; it takes part again when it is back",
}
"""Flower's error codes that say something about a site (``flwr.common.constant.ErrorCode``)."""


WRONG_COUNT = "wrong-count"
"""The code of an answer that rests on other cases than the site had offered."""


@dataclass(frozen=True)
class Refusal:
    """Why a reply is not used. ``code`` is one of a fixed set; ``reason`` is our own text and quotes no sender's."""

    code: str
    reason: str


@dataclass(frozen=True)
class Expected:
    """What a reply must state. ``site`` and ``examples`` (training cases) are as in the node's offer."""

    site: str
    plan_digest: str
    round: int
    examples: int | None = None


def read_offer(reply: Message | None, plan_digest: str, task: AnyTask) -> Offer | Refusal:
    """Read and check a site's answer to ``query.prepare``."""
    offer = _read(reply, "bad-offer", lambda content: unpack_offer(content, task))
    if not isinstance(offer, Refusal) and offer.plan_digest != plan_digest:
        return Refusal("wrong-plan", "the site prepared another plan than this one")
    return offer


def read_update(
    reply: Message | None, expected: Expected, specs: Specs, task: AnyTask, decode: Decode | None = None
) -> Update | Refusal:
    """Read and check a site's answer to ``train``: names, shapes, dtypes, finite numbers, number of cases, plan, round,
    and that an alignment's moments are possible.

    Args:
        decode: decodes a codec's payload; ``None`` if the tensors are sent as they are.
    """
    update = _read(reply, "bad-update", lambda content: messages.unpack_update(content, specs, task, decode))
    if isinstance(update, Refusal):
        return update
    wrong = _stranger(expected, Expected(update.site, update.plan_digest, update.round))
    if wrong is None and expected.examples not in (None, update.examples):
        return Refusal(WRONG_COUNT, f"{update.examples} training cases, but {expected.examples} when it was prepared")
    reason = impossible(update.tensors)
    return wrong or (Refusal("bad-update", f"reference: {reason}") if reason else update)


def read_evaluations(reply: Message | None, expected: Expected, task: AnyTask) -> dict[str, Evaluation] | Refusal:
    """Read and check a site's answer to ``evaluate``: its evaluations by split."""
    answer = _read(reply, "bad-evaluation", lambda content: messages.unpack_answer(content, task))
    if isinstance(answer, Refusal):
        return answer
    site, digest, server_round, evaluations = answer
    return _stranger(expected, Expected(site, digest, server_round)) or evaluations


def read_noisy_figures(reply: Message | None, expected: Expected, size: int) -> dict[str, Tensor] | Refusal:
    """Read and check a site's answer to ``evaluate`` under ``privacy=record``: noisy counts by split, ``(size,)``."""
    found = _read(reply, "bad-evaluation", lambda content: (_answers_as(content), unpack_noisy_figures(content, size)))
    return found if isinstance(found, Refusal) else _stranger(expected, found[0]) or found[1]


def _answers_as(content: RecordDict) -> Expected:
    record = config_of(content, messages.SITE)
    return Expected(text_of(record, "name"), text_of(record, "plan"), count_of(record, "round"))


def read_subgroups(reply: Message | None, task: AnyTask, columns: Collection[str]) -> ByGroup[Evaluation] | Refusal:
    """Read a site's evaluations by subgroup of the plan's columns, from its answer to ``evaluate``; empty if it told
    none."""
    return _read(reply, "bad-evaluation", lambda content: unpack_subgroups(content, task, columns))


def read_prevalence(reply: Message | None, classes: int) -> tuple[int, ...] | Refusal | None:
    """Read the classes that a held-out site expects among its cases, from its answer to ``evaluate``; ``None`` if it
    told none."""
    return _read(reply, "bad-evaluation", lambda content: unpack_prevalence(content, classes))


def read_sums(reply: Message | None, expected: Expected, specs: Specs) -> SiteSums | Refusal:
    """Read and check a site's answer to ``query.sums``; counts must sum to the site's number of training cases."""
    found = _read(reply, "bad-sums", lambda content: unpack_sums(content, specs))
    if isinstance(found, Refusal):
        return found
    wrong = _stranger(expected, Expected(found.site, found.plan_digest, expected.round))
    if wrong is None and found.sums is not None and COUNTS in found.sums:
        cases = int(found.sums[COUNTS].sum())
        if cases != expected.examples:
            return Refusal(WRONG_COUNT, f"sums of {cases} cases, but {expected.examples} when it was prepared")
    return wrong or found


def read_moments(reply: Message | None, expected: Expected, width: int, noisy: bool = False) -> SiteMoments | Refusal:
    """Read and check a site's answer to ``query.moments``; they must be of the site's training cases.

    Args:
        width: number of features.
        noisy: whether they have noise (``privacy=record``).
    """
    found = _read(reply, "bad-moments", lambda content: unpack_moments(content, width, noisy))
    if isinstance(found, Refusal):
        return found
    wrong = _stranger(expected, Expected(found.site, found.plan_digest, expected.round))
    if wrong is None and found.moments is not None and found.moments.cases != expected.examples:
        return Refusal(
            WRONG_COUNT, f"moments of {found.moments.cases} cases, but {expected.examples} when it was prepared"
        )
    return wrong or found


def read_familiarity(reply: Message | None, expected: Expected, width: int) -> Told | Refusal:
    """Read and check a site's answer to ``query.familiarity``; sums must be of its training cases.

    Args:
        width: numbers that features are projected to.
    """
    content = content_of(reply)
    if isinstance(content, Refusal):
        return content
    try:
        found = unpack_told(content, width)
    except WireError as error:
        return Refusal("bad-familiarity", str(error))
    wrong = _stranger(expected, Expected(found.site, found.plan_digest, expected.round))
    if wrong is None and found.sums is not None and found.sums.cases != expected.examples:
        return Refusal(WRONG_COUNT, f"sums of {found.sums.cases} cases, but {expected.examples} when it was prepared")
    return wrong or found


def read_by_patient(
    reply: Message | None, expected: Expected, widths: Mapping[str, int], labels: int
) -> ToldByPatient | Refusal:
    """Read and check a site's sums over its patients, of whom it can't have more than training cases.

    Args:
        widths: by state of the features, numbers that they are projected to.
        labels: numbers that labels take.
    """
    found = _read(reply, "bad-familiarity", lambda content: unpack_by_patient(content, widths, labels))
    if isinstance(found, Refusal):
        return found
    wrong = _stranger(expected, Expected(found.site, found.plan_digest, expected.round))
    if wrong is None and any(one.sums.cases > (expected.examples or math.inf) for one in found.sums.values()):
        return Refusal(WRONG_COUNT, f"sums of more patients than the {expected.examples} cases when it was prepared")
    return wrong or found


def read_gradient(
    reply: Message | None, expected: Expected, specs: Specs, precision: str, task: AnyTask, tells_loss: bool = True
) -> Gradient | Refusal:
    """Read and check a site's answer to ``query.gradient``: names, shapes, finite numbers, and number of cases.

    Args:
        tells_loss: whether the loss must be told; with ``privacy=record`` it must not.
    """
    found = _read(reply, "bad-gradient", lambda content: unpack_gradient(content, specs, precision, task))
    if isinstance(found, Refusal):
        return found
    wrong = _stranger(expected, Expected(found.site, found.plan_digest, found.round))
    if wrong is None and tells_loss is (found.loss is None):
        return Refusal("bad-gradient", "the loss is missing" if tells_loss else "a loss came, which has no noise")
    if wrong is None and found.examples != expected.examples:
        return Refusal(WRONG_COUNT, f"{found.examples} training cases, but {expected.examples} when it was prepared")
    return wrong or found


def same_name(claimed: Mapping[int, str]) -> set[int]:
    """The nodes whose claimed name another node claims too: none of them can be trusted to be that site."""
    names = Counter(claimed.values())
    return {node for node, name in claimed.items() if names[name] > 1}


def _stranger(expected: Expected, found: Expected) -> Refusal | None:
    """Why an answer is not the one that is awaited; ``None`` if it is."""
    if found.site != expected.site:
        return Refusal("wrong-site", f"the reply comes under another name than {expected.site}")
    if found.plan_digest != expected.plan_digest:
        return Refusal("wrong-plan", "the reply belongs to another plan")
    if found.round != expected.round:
        return Refusal("wrong-round", f"the reply belongs to round {found.round}")
    return None


def _read(reply: Message | None, code: str, unpack: Callable[[RecordDict], Answer]) -> Answer | Refusal:
    """What ``unpack`` reads of a reply; a refusal if there is no content, or one with ``code`` if it can't be read."""
    content = content_of(reply)
    if isinstance(content, Refusal):
        return content
    try:
        return unpack(content)
    except WireError as error:
        return Refusal(code, str(error))


def content_of(reply: Message | None) -> RecordDict | Refusal:
    """The content of a reply, or why it has none."""
    if reply is None:
        return Refusal("no-answer", "no reply within the deadline (patience.deadline)")
    if reply.has_error():
        reason = reply.error.reason or ""
        if _CODE.fullmatch(reason):
            code = reason.removeprefix("fedgraft:")
            return Refusal("site-error", f"{reported(code)} {what_to_do(code)}")
        return Refusal(
            "unreachable", _OF_FLOWER.get(reply.error.code, f"Flower reported error code {reply.error.code}")
        )
    return reply.content
