"""A secure sum is the plain sum, whoever is lost as long as enough stay; else it fails and reveals nothing."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import chisquare

from fedgraft.common.errors import FewSitesError, SecureError
from fedgraft.common.secure.fixed_point import WORD
from fedgraft.common.secure.masks import Vector, mask_of
from tests.common.secure.federation import Federation


def vectors(sites: int, seed: int = 0, size: int = 5) -> list[Vector]:
    rng = np.random.default_rng(seed)
    return [
        Vector(rng.integers(0, 2**32, size, WORD[32]), rng.integers(0, 2**64, size, WORD[64])) for _ in range(sites)
    ]


def plain(some: list[Vector], places: set[int]) -> Vector:
    total = Vector(np.zeros(5, WORD[32]), np.zeros(5, WORD[64]))
    for place in places:
        total.add(some[place])
    return total


def same(one: Vector, other: Vector) -> bool:
    return bool((one.narrow == other.narrow).all() and (one.wide == other.wide).all())


@pytest.mark.parametrize("sites", [2, 3, 5, 60])
def test_masks_cancel_to_the_last_bit(sites: int) -> None:
    given = vectors(sites)
    federation = Federation(sites)
    for number in (1, 2):  # keys are new in each sum
        assert same(federation.sum(given, number), plain(given, set(range(sites))))


def test_every_pattern_of_lost_sites_succeeds_or_fails_by_the_threshold() -> None:
    """Five sites, threshold four: each is lost before it shares, masks or helps, or never: all 4 ** 5 patterns with at
    most three lost."""
    federation, number, given = Federation(5), 0, vectors(5)
    assert federation.threshold == [4] * 5
    succeeded = 0
    for pattern in product(range(4), repeat=5):
        if sum(step < 3 for step in pattern) > 3:
            continue
        number += 1
        lost = [{place for place, at in enumerate(pattern) if at == step} for step in range(3)]
        stay, part = 5 - sum(map(len, lost)), set(range(5)) - lost[0] - lost[1]
        if stay < 4:
            with pytest.raises(FewSitesError):
                federation.sum(given, number, *lost)
            federation = Federation(5)
        else:
            succeeded += 1
            assert same(federation.sum(given, number, *lost), plain(given, part)), pattern
    assert succeeded == 1 + 5 * 3


@pytest.mark.parametrize("step", range(3))
def test_any_three_of_ten_sites_may_be_lost_at_any_step(step: int) -> None:
    federation, given = Federation(10), vectors(10)
    for number, gone in enumerate(combinations(range(10), 3), start=1):
        if number % 8 and number > 2:
            continue
        lost = [set(gone) if at == step else set() for at in range(3)]
        part = set(range(10)) - (set(gone) if step < 2 else set())
        assert same(federation.sum(given, number, *lost), plain(given, part))


def test_thirty_of_a_hundred_sites_may_be_lost_at_once_in_a_graph() -> None:
    given, rng = vectors(100), np.random.default_rng(1)
    federation = Federation(100)
    assert {len(near) for near in federation.near} == {46}
    gone = set(rng.choice(100, 30, replace=False).tolist())
    assert same(federation.sum(given, 1, at_mask=gone), plain(given, set(range(100)) - gone))


def test_below_the_threshold_the_coordinator_has_nothing_but_uniform_words() -> None:
    """What it holds after a failed sum does not depend on the numbers: with every site's vector zero, words are spread
    over 16 classes as uniform ones are."""
    federation, zero = Federation(5), Vector(np.zeros(4000, WORD[32]), np.zeros(0, WORD[64]))
    with pytest.raises(FewSitesError, match="2 site"):
        federation.sum([zero] * 5, 1, at_unmask={0, 1, 2})
    total = zero.copy()
    for vector in federation.masked.values():
        total.add(vector)
    assert chisquare(np.bincount(total.narrow >> 28, minlength=16)).pvalue > 1e-4


def test_what_one_site_sends_can_not_be_told_from_uniform_words() -> None:
    """200 sums of three sites whose numbers are all zero: every bit and every byte of what the first one sent."""
    federation, zero = Federation(3), Vector(np.zeros(64, WORD[32]), np.zeros(64, WORD[64]))
    narrow, wide = [], []
    for number in range(1, 201):
        total = federation.sum([zero] * 3, number)
        assert not total.narrow.any() and not total.wide.any()
        narrow.append(federation.masked[0].narrow)
        wide.append(federation.masked[0].wide)
    for words in (np.concatenate(narrow), np.concatenate(wide)):
        some = words.view(np.uint8)
        assert chisquare(np.bincount(some, minlength=256)).pvalue > 1e-4
        ones = np.unpackbits(some).reshape(-1, 8 * words.itemsize).sum(axis=0)
        half = len(words) / 2
        assert chisquare(np.stack([ones, 2 * half - ones]), half, axis=0).pvalue.min() > 1e-6
        assert len(np.unique(words)) > 0.99 * len(words)


def test_all_256_bits_of_a_seed_matter() -> None:
    like, seed = Vector(np.zeros(8, WORD[32]), np.zeros(8, WORD[64])), bytes(range(32))
    streams = {mask_of(seed, like).narrow.tobytes() + mask_of(seed, like).wide.tobytes()}
    for bit in range(256):
        other = (int.from_bytes(seed, "big") ^ 1 << bit).to_bytes(32, "big")
        found = mask_of(other, like)
        streams.add(found.narrow.tobytes() + found.wide.tobytes())
    assert len(streams) == 257


def test_the_keystream_is_that_of_rfc_8439() -> None:
    """Appendix A.1, test vector 2: block 1 of the zero key and nonce."""
    found = mask_of(bytes(32), Vector(np.zeros(4, WORD[32]), np.zeros(0, WORD[64])))
    assert found.narrow.tobytes() == bytes.fromhex("9f07e7be5551387a98ba977c732d080d")


def test_vectors_of_different_lengths_have_no_sum() -> None:
    given = vectors(3)
    given[1] = Vector(given[1].narrow[:3], given[1].wide)
    with pytest.raises(SecureError, match="different lengths"):
        Federation(3).sum(given)
