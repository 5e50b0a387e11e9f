"""A site's steps of a secure sum: ``query.secure``, and the masked answer to a question that is summed."""

from __future__ import annotations

from fedgraft.client.secure.identity import card_of
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import SecureError
from fedgraft.common.secure.layout import Scale, integers_of, parts_of, vector_of
from fedgraft.common.secure.member import Member, begin, circle_of, introduced, mask, new_keys, shares_for, unmask
from fedgraft.common.wire.summed.kind import Arrays
from fedgraft.common.wire.summed.steps import Step, Told
from fedgraft.common.wire.summed.words import Summand, Words


def take(step: Step, member: Member | None, site: SiteFile) -> tuple[Member, Told]:
    """What the site remembers after a ``query.secure`` message, and its answer.

    Args:
        member: what it remembers of the run; ``None`` at its beginning.

    Raises:
        SecureError: the site refuses the step (`fedgraft.common.secure.member`).
    """
    if member is None or member.run != step.run:
        if not step.key or step.unmasking is not None or step.around is not None:
            raise SecureError("this site has no keys of the run; it must be asked for them first")
        member = begin(step.run, site.name)
    at_least, shares, mask_key, sealed = site.secure.at_least, None, None, None
    if step.unmasking is not None:
        asked = step.unmasking
        member, shares = unmask(member, asked.number, asked.answered, asked.lost, at_least)
    if step.key:
        member, mask_key = new_keys(member)
    if step.cards:
        member = introduced(member, step.cards, site.secure.known_keys)
    if step.around is not None:
        around = step.around
        circle = circle_of(member, around.number, around.place, around.threshold, around.mask_keys)
        member, sealed = shares_for(member, circle, at_least)
    return member, Told(site.name, shares, mask_key, card_of(member, site) if step.key else None, sealed)


def masked_answer(
    arrays: Arrays, summand: Summand, plan_digest: str, scale: Scale, member: Member | None, site: SiteFile
) -> tuple[Member, Words]:
    """What the site remembers after it has masked an answer, and what leaves in its place.

    Raises:
        SecureError: the site can't or won't mask it (`fedgraft.common.secure.member`).
        SecureRangeError: a number is too large for the words.
    """
    if member is None or member.run != summand.run:
        raise SecureError("this site has no keys of the run; it must be asked for them first")
    parts = parts_of(arrays)
    vector = vector_of(integers_of(arrays, summand.cases, scale), parts)
    member, words = mask(member, summand.number, vector, summand.sealed, site.secure.at_least)
    member, mask_key = new_keys(member)
    return member, Words(site.name, plan_digest, parts, words, mask_key)
