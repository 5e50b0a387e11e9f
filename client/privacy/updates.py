"""A site's update in a secure sum under ``privacy=site``: with its part of the sum's noise, and nothing beside it."""

from __future__ import annotations

import numpy as np

from fedgraft.client.account.privacy import PrivacyAccount
from fedgraft.client.secure.vault import OnDisk, Vault
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import SecureError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import site_noise_of
from fedgraft.common.privacy.noise import with_noise
from fedgraft.common.wire.messages import TRAIN
from fedgraft.common.wire.summed.kind import TENSOR, Arrays

UPDATE = "update"
_NOT_NOISY = ("held-back",)


def noisy_update(kind: str, arrays: Arrays, plan: Plan, vault: Vault, run: int, site: SiteFile) -> Arrays:
    """The arrays of an answer to ``train`` under ``privacy=site``, with noise on its tensors, as float64; what is exact
    besides is left empty. All others as they are.

    Args:
        arrays: the update is scaled so that the longest one is as long as ``aggregation.range``.

    Raises:
        SecureError: the site has no keys for a sum.
        PrivacySpentError: the run was charged with no more updates, or never.
    """
    if kind != TRAIN or not plan.privacy.by_site:
        return arrays
    member = vault.read(run)
    if member is None or member.ready is None:
        raise SecureError("this site has no keys for a secure sum, into which its noisy answer must go")
    ready, noise = member.ready, site_noise_of(plan)
    account = PrivacyAccount(site.state, durable=isinstance(vault, OnDisk))
    account.answer(run, plan.digest, UPDATE, plan.rounds, ready.secrets.public.hex())
    names = sorted(name for name in arrays if name.startswith(TENSOR))
    whole = np.concatenate([arrays[name].astype(np.float64).reshape(-1) for name in names])
    told = with_noise(whole, plan.aggregation.range, noise.noise, parties=ready.circle.threshold)
    parts = np.split(told, np.cumsum([arrays[name].size for name in names])[:-1])
    found = {name: part.reshape(arrays[name].shape) for name, part in zip(names, parts, strict=True)}
    empty = {name: np.zeros_like(arrays[name]) for name in _NOT_NOISY}
    return {**arrays, **empty, **found}
