"""Torch's own generators."""

from __future__ import annotations

import torch

from fedgraft.common.seeding import seed_generators


def test_it_draws_as_after_torch_s_own_seeding_and_notes_nothing() -> None:
    noted = len(torch.cuda._queued_calls)
    with torch.random.fork_rng(devices=[]):
        seed_generators(7)
        ours = torch.rand(5)
    assert len(torch.cuda._queued_calls) == noted
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        assert torch.equal(ours, torch.rand(5))
