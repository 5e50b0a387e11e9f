"""What a site offers, over the wire and back: round trips, and every refusal of a hostile answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedgraft.client.cohort.quarantine import REASONS
from fedgraft.common.errors import WireError
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.wire.messages import EXAMPLES, SITE
from fedgraft.common.wire.offer import Offer, pack_offer, unpack_offer

DIGEST = "ab" * 32
OFFER = Offer("north", DIGEST, True, 17, (12, 5), {"damaged": 3, "no-frame": 1})
TWO = Classification(("clear", "lesion"))
HUGE = 10**9 + 1
NOT_COUNTS = [-1, True, HUGE, 1.5, "3", None, [1]]


def offer_with(**changes: Any) -> RecordDict:
    """The message with keys replaced (``_`` for ``-``), or (None) left out."""
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    content = pack_offer(OFFER)
    config = {**content.config_records[SITE], **named}
    content[SITE] = ConfigRecord({key: value for key, value in config.items() if value is not None})
    return content


@pytest.mark.parametrize("counts", [(12, 5), (0, 17), None])
@pytest.mark.parametrize("has_backbone", [True, False])
def test_an_offer_makes_a_round_trip(counts: tuple[int, ...] | None, has_backbone: bool) -> None:
    offer = Offer("north", DIGEST, has_backbone, 17, counts)
    assert unpack_offer(pack_offer(offer), TWO) == offer


@pytest.mark.parametrize("counts", [[1], [1, 2, 3], [1, -1], [1, HUGE], [1.0, 2.0], [True, False], ["a", "b"], 3])
def test_class_counts_that_do_not_fit_are_refused(counts: Any) -> None:
    with pytest.raises(WireError, match="class counts must be 2 whole numbers"):
        unpack_offer(offer_with(class_counts=counts), TWO)


@pytest.mark.parametrize("counts", [[12, 6], [0, 0]])
def test_class_counts_of_other_cases_than_were_offered_are_refused(counts: list[int]) -> None:
    with pytest.raises(WireError, match="class counts do not fit the number of training cases"):
        unpack_offer(offer_with(class_counts=counts), TWO)


@pytest.mark.parametrize("count", NOT_COUNTS)
def test_a_number_of_cases_that_can_not_be_is_refused(count: Any) -> None:
    with pytest.raises(WireError, match="`num-examples` must be a whole number"):
        unpack_offer(offer_with(**{EXAMPLES: count}), TWO)


@pytest.mark.parametrize("key", ["name", "plan"])
@pytest.mark.parametrize("value", [None, "", 3])
def test_an_offer_without_a_name_or_plan_is_refused(key: str, value: Any) -> None:
    with pytest.raises(WireError, match=f"the message lacks `{key}`"):
        unpack_offer(offer_with(**{key: value}), TWO)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_only_true_means_that_a_site_has_the_backbone(value: Any) -> None:
    assert unpack_offer(offer_with(has_backbone=value), TWO).has_backbone is False


@pytest.mark.parametrize("name", ["a b", "../north", "a" * 65, "nörd", "<b>", "a\n"])
def test_a_name_that_can_not_be_is_refused(name: str) -> None:
    with pytest.raises(WireError) as caught:
        unpack_offer(offer_with(name=name), TWO)
    assert str(caught.value) == "a site's name must be letters, digits, - and _ (at most 64)"


@pytest.mark.parametrize("content", [RecordDict(), RecordDict({SITE: ArrayRecord()})])
def test_an_offer_without_a_record_is_refused(content: RecordDict) -> None:
    with pytest.raises(WireError, match=f"the message lacks `{SITE}`"):
        unpack_offer(content, TWO)


@pytest.mark.parametrize("quarantined", [{}, {"damaged": 0}, dict.fromkeys(REASONS, 10**9)])
def test_the_quarantine_makes_a_round_trip(quarantined: dict[str, int]) -> None:
    offer = replace(OFFER, quarantined=quarantined)
    assert unpack_offer(pack_offer(offer), TWO) == offer
    assert list(unpack_offer(pack_offer(offer), TWO).quarantined) == list(quarantined)


def test_no_quarantine_sends_no_key() -> None:
    assert not [key for key in pack_offer(replace(OFFER, quarantined={}))[SITE] if key.startswith("quarantine")]


@pytest.mark.parametrize(
    ("reasons", "counts"),
    [
        (["damaged"], [1, 2]),
        (["damaged", "blank"], [1]),
        ([], [1]),
        (["damaged"], None),
        (None, [1]),
        ("damaged", [1]),
        ("d", [1]),
        (["damaged"], 1),
        (["damaged"], b"1"),
    ],
)
def test_a_quarantine_without_a_count_for_each_reason_is_refused(reasons: Any, counts: Any) -> None:
    with pytest.raises(WireError) as caught:
        unpack_offer(offer_with(quarantine_reasons=reasons, quarantine_counts=counts), TWO)
    assert str(caught.value) == "the quarantine must be a count for each reason"


@pytest.mark.parametrize(
    "reasons",
    [
        ["damaged", "damaged"],
        ["Doe Jane"],
        ["/films/1.dcm"],
        ["a-b-c-d-e"],
        ["damaged\n"],
        ["[red]damaged"],
        ["<script>"],
        ["1.2.840"],
        [""],
        [1],
        [True],
        [0.5],
        [b"damaged"],
        [f"{'a' * (1 + n // 26)}-{chr(97 + n % 26)}" for n in range(65)],
    ],
)
def test_a_reason_that_is_no_short_code_is_refused_and_not_repeated(reasons: list[Any]) -> None:
    """A coordinator shows these: no markup, no identifier, no flood."""
    content = offer_with(quarantine_reasons=reasons, quarantine_counts=[1] * len(reasons))
    with pytest.raises(WireError) as caught:
        unpack_offer(content, TWO)
    assert str(caught.value) == "a quarantine reason must be a short code, each named once"


@pytest.mark.parametrize("count", [-1, True, HUGE, 1.5, "3"])
def test_a_quarantine_count_that_can_not_be_is_refused(count: Any) -> None:
    with pytest.raises(WireError) as caught:
        unpack_offer(offer_with(quarantine_reasons=["damaged"], quarantine_counts=[count]), TWO)
    assert str(caught.value) == "a quarantine count must be a whole number"


def test_fractions_make_a_round_trip() -> None:
    offer = replace(OFFER, fractions=(0.1, 0.25))
    assert unpack_offer(pack_offer(offer), TWO) == offer
    assert "fractions" not in pack_offer(OFFER).config_records[SITE]


@pytest.mark.parametrize(
    "fractions", [[0.1], [0.1, 1.0], [-0.1, 0.2], [0.1, float("nan")], ["0.1", "0.2"], 0.1, [1, 2]]
)
def test_fractions_that_can_not_be_are_refused(fractions: Any) -> None:
    with pytest.raises(WireError, match="a site's fractions must be two numbers from 0 to below 1"):
        unpack_offer(offer_with(fractions=fractions), TWO)


def test_how_long_a_round_takes_is_told_in_seconds() -> None:
    told = replace(OFFER, seconds=340.0)
    assert unpack_offer(pack_offer(told), TWO) == told
    assert unpack_offer(pack_offer(OFFER), TWO).seconds is None


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 3, "3", [3.0]])
def test_seconds_that_can_not_be_are_refused(seconds: Any) -> None:
    with pytest.raises(WireError, match="how long a round takes a site must be a number of seconds"):
        unpack_offer(offer_with(seconds=seconds), TWO)


def test_a_receipt_goes_along() -> None:
    told = replace(OFFER, receipt='{"by": "Dr A"}')
    assert unpack_offer(pack_offer(told), TWO) == told


@pytest.mark.parametrize("receipt", ["{", "[]", '{"a": "' + "x" * 8192 + '"}', 3])
def test_a_receipt_that_is_none_is_refused(receipt: Any) -> None:
    with pytest.raises(WireError, match="a consent receipt must be a JSON object of a few lines"):
        unpack_offer(offer_with(receipt=receipt), TWO)


def test_of_how_many_cases_scores_are_told_together_makes_a_round_trip() -> None:
    for grouped in (0, 5):
        assert unpack_offer(pack_offer(replace(OFFER, grouped=grouped)), TWO).grouped == grouped
    for count in filter(None, NOT_COUNTS):
        with pytest.raises(WireError, match="`scores-in-groups-of` must be a whole number"):
            unpack_offer(offer_with(scores_in_groups_of=count), TWO)
