"""What a site refuses of a coordinator that could want to see one site's numbers."""

from dataclasses import replace

import numpy as np
import pytest

from fedgraft.common.errors import FewSitesError, SecureError, UnknownSiteError
from fedgraft.common.secure import keys
from fedgraft.common.secure.circle import Circle, require_introduced
from fedgraft.common.secure.fixed_point import WORD
from fedgraft.common.secure.masks import Vector
from fedgraft.common.secure.member import Member, introduced, mask, new_keys, shares_for, unmask
from tests.common.secure.federation import RUN, Federation, card_of, registered

ZERO = Vector(np.zeros(3, WORD[32]), np.zeros(0, WORD[64]))


@pytest.fixture
def federation() -> Federation:
    return Federation(4)


@pytest.fixture
def masked(federation: Federation) -> Member:
    """The first of four sites, which has masked its numbers in sum 1."""
    _, sealed = federation.share(1, range(4))
    found, _ = mask(federation.members[0], 1, ZERO, {place: sealed[place][0] for place in (1, 2, 3)}, 2)
    return found


def test_both_kinds_of_shares_of_one_site_are_never_told(masked: Member) -> None:
    with pytest.raises(SecureError, match="named once"):
        unmask(masked, 1, {0, 1, 2, 3}, {1}, 2)
    with pytest.raises(SecureError, match="named once"):
        unmask(masked, 1, {0, 1, 2}, {}, 2)  # the fourth in neither
    with pytest.raises(SecureError, match="named once"):
        unmask(masked, 1, {1, 2, 3}, {0}, 2)  # itself as lost
    member, told = unmask(masked, 1, {0, 1, 2}, {3}, 2)
    assert sorted(told) == [0, 1, 2, 3]
    for answered, lost in (({0, 1, 2, 3}, set()), ({0, 1, 2}, {3})):
        with pytest.raises(SecureError, match="already"):
            unmask(member, 1, answered, lost, 2)


def test_a_sum_over_too_few_sites_is_not_unmasked(masked: Member) -> None:
    with pytest.raises(FewSitesError, match=r"2 site\(s\) answered in a secure sum, and 3 are needed"):
        unmask(masked, 1, {0, 1}, {2, 3}, 2)  # the threshold
    with pytest.raises(FewSitesError, match=r"3 site\(s\) answered in a secure sum, and 4 are needed"):
        unmask(masked, 1, {0, 1, 2}, {3}, 4)  # at_least


def test_a_sum_is_masked_once(federation: Federation) -> None:
    _, sealed = federation.share(1, range(4))
    arrived = {place: sealed[place][0] for place in (1, 2, 3)}
    with pytest.raises(SecureError, match="gave no shares away"):
        mask(federation.members[0], 2, ZERO, arrived, 2)
    with pytest.raises(FewSitesError, match="have a part"):
        mask(federation.members[0], 1, ZERO, {1: arrived[1]}, 2)
    member, _ = mask(federation.members[0], 1, ZERO, arrived, 2)
    with pytest.raises(SecureError, match="has masked its numbers already"):
        mask(member, 1, ZERO, arrived, 2)


def test_shares_that_were_changed_or_swapped_on_the_way_are_noticed(federation: Federation) -> None:
    _, sealed = federation.share(1, range(4))
    arrived = {place: sealed[place][0] for place in (1, 2, 3)}
    for wrong in ({**arrived, 1: arrived[2]}, {**arrived, 1: bytes(len(arrived[1]))}, {**arrived, 1: sealed[1][2]}):
        with pytest.raises(SecureError, match="changed on the way"):
            mask(federation.members[0], 1, ZERO, wrong, 2)


def test_a_peer_s_key_that_the_coordinator_made_up_is_noticed(federation: Federation) -> None:
    """It would know the masks. The peer's own key is authenticated with its shares."""
    mask_keys = []
    for place, member in enumerate(federation.members):
        federation.members[place], public = new_keys(member)
        mask_keys.append(public)
    sealed = {
        place: shares_for(federation.members[place], federation.circle(1, place, mask_keys), 2)[1]
        for place in (1, 2, 3)
    }
    mine = [*mask_keys[:3], keys.public_of(keys.new_secret())]
    member, _ = shares_for(federation.members[0], federation.circle(1, 0, mine), 2)
    with pytest.raises(SecureError, match="changed on the way"):
        mask(member, 1, ZERO, {place: sealed[place][0] for place in (1, 2, 3)}, 2)


def test_secrets_are_shared_once_and_numbers_only_go_up(federation: Federation) -> None:
    mask_keys, _ = federation.share(5, range(4))
    with pytest.raises(SecureError, match="no new keys"):
        shares_for(federation.members[0], federation.circle(6, 0, mask_keys), 2)
    member, _ = new_keys(federation.members[0])
    with pytest.raises(SecureError, match="no new keys"):
        shares_for(member, federation.circle(5, 0, mask_keys), 2)
    shares_for(member, federation.circle(6, 0, mask_keys), 2)


def test_circles_that_are_not_sound(federation: Federation) -> None:
    mask_keys = [new_keys(member)[1] for member in federation.members]
    member, _ = new_keys(federation.members[0])
    good = federation.circle(1, 0, mask_keys)
    twice = (*good.peers[:2], good.peers[1]._replace(place=3))
    bad: list[tuple[Circle, str]] = [
        (replace(good, threshold=2), "threshold of 2 of 4 sites is not above half"),
        (replace(good, threshold=5), "threshold of 5 of 4"),
        (replace(good, place=1), "same place, name or key"),
        (replace(good, peers=twice), "same place, name or key"),
        (replace(good, peers=(*good.peers[:2], good.peers[2]._replace(name="site-0"))), "same place, name or key"),
        (replace(good, peers=(*good.peers[:2], good.peers[2]._replace(mask_key=b"short"))), "must have 32 bytes"),
    ]
    for circle, text in bad:
        with pytest.raises(SecureError, match=text):
            shares_for(member, circle, 2)
    with pytest.raises(FewSitesError, match=r"4 site\(s\) would take part in a secure sum, and 5 are needed"):
        shares_for(member, good, 5)


def test_a_key_that_hides_nothing_is_refused() -> None:
    with pytest.raises(SecureError, match="not usable"):
        keys.agreed(keys.new_secret(), [bytes(32)])


def test_hospitals_that_the_coordinator_invented(federation: Federation) -> None:
    known = [registered(f"site-{place}")[1] for place in range(4)]
    require_introduced(federation.cards, RUN, known)
    with pytest.raises(UnknownSiteError, match=r"'site-3' is not in this site's secure\.known"):
        require_introduced(federation.cards, RUN, known[:3])
    own = keys.public_of(keys.new_secret())
    forged = replace(federation.cards[3], public=own)
    for cards, run in (([*federation.cards[:3], forged], RUN), (federation.cards, "8")):
        with pytest.raises(UnknownSiteError, match="is not signed by its registered key"):
            require_introduced(cards, run, known)
    twin = replace(federation.cards[3], registered=federation.cards[2].registered)
    with pytest.raises(UnknownSiteError, match="two sites of a secure sum have the same registered key"):
        require_introduced([*federation.cards[:3], twin], RUN, known)
    assert not keys.is_signed(b"ssh-ed25519 nonsense", b"", RUN, "a", own)


def test_a_peer_that_was_not_introduced(federation: Federation) -> None:
    stranger = Federation(4)
    stranger.members[0] = introduced(replace(stranger.members[0], cards={}, channels={}), {1: stranger.cards[1]}, ())
    with pytest.raises(UnknownSiteError, match="place 2 of a secure sum was not introduced"):
        stranger.circle(1, 0, [new_keys(one)[1] for one in stranger.members])


def test_a_site_that_comes_back_with_a_new_key_is_introduced_again(federation: Federation) -> None:
    again = card_of(replace(federation.members[3], private=keys.new_secret()))
    member = introduced(federation.members[0], {9: again}, ())
    assert sorted(member.cards) == [1, 2, 9] and again.public in member.channels


def test_nothing_secret_is_printed(masked: Member) -> None:
    member, _ = new_keys(masked)
    assert member.fresh is not None and member.masked is not None
    said = repr(member)
    for secret in (member.private, member.fresh.key, member.fresh.seed, member.masked.held[1][0]):
        assert repr(secret)[2:-1] not in said


def test_a_card_is_signed_for_one_run_and_name(federation: Federation) -> None:
    card = card_of(federation.members[0])
    assert keys.is_signed(card.registered, card.signature, RUN, "site-0", card.public)
    assert not keys.is_signed(card.registered, card.signature, RUN, "site-1", card.public)
