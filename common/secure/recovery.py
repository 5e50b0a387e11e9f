"""The coordinator's part: take the masks off a sum of masked vectors, by the shares that sites told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from fedgraft.common.errors import FewSitesError, SecureError
from fedgraft.common.secure.keys import public_of
from fedgraft.common.secure.masks import Vector, mask_of, zeros_like
from fedgraft.common.secure.member import pair_seeds, share_of
from fedgraft.common.secure.shamir import Shares, restore


@dataclass(frozen=True)
class Sum:
    """One secure sum, as the coordinator knows it.

    Attributes:
        neighbours: by place of each site that has a part in it (it gave shares away), the places of those with which it
            shares masks and that have a part, too.
        mask_keys: by place, each site's public key for this sum.
        threshold: by place, how many must help to restore a site's secret.
    """

    run: str
    number: int
    neighbours: Mapping[int, Collection[int]]
    mask_keys: Mapping[int, bytes]
    threshold: Mapping[int, int]


def unmasked(sum_: Sum, vectors: Mapping[int, Vector], told: Mapping[int, Mapping[int, bytes]]) -> Vector:
    """The sum of the sites' vectors.

    Args:
        vectors: masked, by place of each site that answered.
        told: by place of each site that helped, the shares that it told, by place of their owner: of the seed of one
            that answered, of the key of one that did not.

    Raises:
        FewSitesError: too few sites helped to restore a secret; nothing can be learnt then.
        SecureError: a share or a vector is wrong.
    """
    if not vectors:
        raise FewSitesError("no site of a secure sum answered")
    total = zeros_like(next(iter(vectors.values())))
    for vector in vectors.values():
        if not vector.fits(total):
            raise SecureError("the sites' vectors have different lengths")
        total.add(vector)
    for place in vectors:
        total.subtract(mask_of(_secret(sum_, place, told), total))
    for place in set(sum_.neighbours) - set(vectors):
        _take_off_pairs(sum_, place, told, vectors, total)
    return total


def _take_off_pairs(
    sum_: Sum, lost: int, told: Mapping[int, Mapping[int, bytes]], vectors: Collection[int], total: Vector
) -> None:
    """Take off the masks that a lost site shares with those that answered."""
    others = sorted(set(sum_.neighbours[lost]) & set(vectors))
    if not others:
        return
    key = _secret(sum_, lost, told)
    if public_of(key) != sum_.mask_keys[lost]:
        raise SecureError("the key that was restored for a lost site is not its own: a share is wrong")
    seeds = pair_seeds(key, [sum_.mask_keys[place] for place in others], sum_.run, sum_.number)
    for place, seed in zip(others, seeds, strict=True):
        mask = mask_of(seed, total)
        if place < lost:  # the one with the lower place has added it
            total.subtract(mask)
        else:
            total.add(mask)


def _secret(sum_: Sum, owner: int, told: Mapping[int, Mapping[int, bytes]]) -> bytes:
    holders = sorted({owner, *sum_.neighbours[owner]} & set(told))
    helping = [place for place in holders if owner in told[place]][: sum_.threshold[owner]]
    if len(helping) < sum_.threshold[owner]:
        raise FewSitesError(
            f"{len(helping)} site(s) told their shares of a site's secret, and {sum_.threshold[owner]} are needed: the "
            "sum stays masked"
        )
    shares: Shares = np.stack([share_of(told[place][owner]) for place in helping])
    return restore([place + 1 for place in helping], shares)
