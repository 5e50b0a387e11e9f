"""AdaBN: exact moments, against torch's own and against the definition of what it must find."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.adabn import AdaBN
from fedgraft.common.adaptation.batch_norm import batch_norms
from fedgraft.common.errors import PlanError


def cases(count: int = 12) -> Tensor:
    return 3.0 + 2.0 * torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model("test_efficientnet", pretrained=False).eval()


def test_two_batches_of_unequal_size_give_the_moments_of_all_values_by_hand() -> None:
    """Channel 0 takes 1, 2, 3, 6: mean 3, variance (4 + 1 + 0 + 9) / 3; channel 1 is constant."""
    norm = nn.BatchNorm1d(2)
    first, second = torch.tensor([[1.0, 5.0], [2.0, 5.0]]), torch.tensor([[3.0, 5.0], [6.0, 5.0]])
    for batches in ([first, second], [torch.cat([first, second[:1]]), second[1:].repeat(1, 1)]):
        if min(map(len, batches)) > 1:
            AdaBN(passes=1)(norm, batches)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert norm.running_mean.tolist() == [3.0, 5.0]
            assert norm.running_var.tolist() == pytest.approx([14 / 3, 0.0])


def test_one_batch_gives_what_torch_finds_in_training_mode() -> None:
    adapted, reference = network(), network()
    AdaBN(passes=1)(adapted, [cases()])
    for norm in batch_norms(reference).values():
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        reference(cases())
    for path, norm in batch_norms(reference).items():
        found = batch_norms(adapted)[path]
        assert torch.allclose(found.running_mean, norm.running_mean, rtol=1e-4, atol=1e-5), path  # type: ignore[arg-type]
        assert torch.allclose(found.running_var, norm.running_var, rtol=1e-4, atol=1e-5), path  # type: ignore[arg-type]


def test_after_enough_passes_every_norm_holds_the_moments_of_what_it_takes() -> None:
    """In batches, as a site of many cases has them: the network's own inference over all cases agrees."""
    adapted = network()
    norms = batch_norms(adapted)
    AdaBN(passes=len(norms))(adapted, cases().split(4))
    taken: dict[str, Tensor] = {}
    for path, norm in norms.items():
        norm.register_forward_pre_hook(lambda module, given, path=path: taken.update({path: given[0]}))
    with torch.no_grad():
        adapted(cases())
    for path, norm in norms.items():
        values = taken[path].transpose(0, 1).flatten(1)
        assert torch.allclose(norm.running_mean, values.mean(1), rtol=1e-3, atol=1e-4), path  # type: ignore[arg-type]
        assert torch.allclose(norm.running_var, values.var(1), rtol=1e-3, atol=1e-4), path  # type: ignore[arg-type]


def test_more_passes_come_nearer_to_it() -> None:
    def away(passes: int) -> float:
        some, end = network(), network()
        AdaBN(passes=passes)(some, cases().split(4))
        AdaBN(passes=1000)(end, cases().split(4))
        norms = batch_norms(end)
        return sum(float((n.running_mean - norms[p].running_mean).abs().sum()) for p, n in batch_norms(some).items())  # type: ignore[operator]

    assert away(1000) == 0 < away(8) < away(1)


def test_it_undoes_what_another_scanner_does_to_brightness_and_contrast() -> None:
    """Through the first norm an affine change of the input vanishes, so that features stay those of the old scanner."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    old = cases()
    with torch.no_grad():
        AdaBN(passes=2)(layers, [old])
        before = layers(old)
        raw = layers(1.7 * old + 0.4)
        AdaBN(passes=2)(layers, [1.7 * old + 0.4])
        after = layers(1.7 * old + 0.4)
    assert torch.allclose(before, after, atol=1e-3)
    assert not torch.allclose(before, raw, atol=1e-1)


def test_nothing_but_running_statistics_changes_and_every_norm_is_as_it_was() -> None:
    adapted, before = network(), network().state_dict()
    AdaBN(passes=2)(adapted, [cases()])
    changed = {name for name, tensor in adapted.state_dict().items() if not torch.equal(tensor, before[name])}
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in changed)
    assert not any(norm.training or norm.momentum == 0.0 for norm in batch_norms(adapted).values())
    assert not any(norm._forward_pre_hooks for norm in batch_norms(adapted).values())


def test_a_network_without_batch_norm_is_refused() -> None:
    with pytest.raises(PlanError, match="adapt=adabn has no effect: the network has no batch norm"):
        AdaBN(passes=1)(nn.Linear(2, 2), [])


def test_passes_below_one_are_refused() -> None:
    with pytest.raises(PlanError, match=r"adapt.passes=0 must be 1 or more; without it use adapt=none"):
        AdaBN(passes=0)
