"""What a site puts into the reference: pooled exactly, and nothing of too few patients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.site.site_file import ReleasePolicy
from fedgraft.client.training.alignment import contribute
from fedgraft.client.training.before_head import features_before_head
from fedgraft.common.alignment.coral import Coral
from fedgraft.common.alignment.mmd import Mmd
from fedgraft.common.interfaces.alignment import Alignment, Reference
from fedgraft.server.aggregation.mean import weighted_mean

ANY = ReleasePolicy(min_count=1)


def site(labels: list[int], seed: int, patients: list[int] | None = None) -> tuple[torch.Tensor, Examples]:
    cases = len(labels)
    features = torch.randn(cases, 6, generator=torch.Generator().manual_seed(seed)) + seed
    given = torch.arange(cases) if patients is None else torch.tensor(patients)
    return features, Examples(features, torch.tensor(labels), patients=given)


def contributed(
    alignment: Alignment, groups: int, one: tuple[torch.Tensor, Examples], permission: ReleasePolicy = ANY
) -> Reference:
    reference = alignment.reference(6, groups)
    contribute(alignment, reference, *one, permission)
    return reference


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("alignment", [Coral(4, False, True), Mmd((0.5, 1.0), 16, True)], ids=["coral", "mmd"])
def test_the_mean_over_sites_weighted_by_cases_is_that_of_the_pooled_cases(alignment: Alignment, groups: int) -> None:
    """Three sites of 5, 9 and 2 cases, one of which lacks a class."""
    sites = [site([0, 0, 1, 2, 2], 0), site([1, 1, 1, 0, 2, 2, 0, 0, 1], 1), site([0, 2], 2)]
    states = [(contributed(alignment, groups, one).state_dict(), len(one[1])) for one in sites]
    both = Examples(
        torch.cat([features for features, _ in sites]),
        torch.cat([examples.labels for _, examples in sites]),
        patients=torch.arange(16),
    )
    pooled = contributed(alignment, groups, (both.inputs, both))
    averaged = weighted_mean(states)  # type: ignore[arg-type]
    assert set(averaged) == set(pooled.state_dict())
    for name, tensor in pooled.state_dict().items():
        assert torch.allclose(averaged[name], tensor, rtol=1e-5, atol=1e-6), name
    for group, means in pooled.means().items():
        some = both.inputs if groups == 1 else both.inputs[both.labels == group]
        seen = pooled.space(some).double()
        name = "first" if "first" in means else "embedding"
        assert torch.allclose(means[name], seen.mean(dim=0), rtol=1e-5, atol=1e-6)


def test_moments_by_hand() -> None:
    """Cases (1, 0), (3, 0) of class 0 and (0, 2) of class 1: of three cases two thirds and one third."""
    coral = Coral(2, False, True)
    reference = coral.reference(2, 2)
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    contribute(coral, reference, features, Examples(features, torch.tensor([0, 1, 0]), patients=torch.arange(3)), ANY)
    assert torch.allclose(reference.share, torch.tensor([2 / 3, 1 / 3]))
    assert torch.allclose(reference.get_buffer("first"), torch.tensor([[4 / 3, 0], [0, 2 / 3]]))
    assert torch.allclose(reference.get_buffer("second")[0], torch.tensor([[10 / 3, 0], [0, 0]]))
    assert reference.means()[0]["first"].tolist() == pytest.approx([2, 0])
    assert reference.means()[0]["second"][0].tolist() == pytest.approx([5, 0])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "permission",
    [ReleasePolicy(statistics=False, min_count=1), ReleasePolicy(min_count=8)],
    ids=["forbidden", "too few"],
)
def test_what_may_not_leave_is_all_zeros(groups: int, permission: ReleasePolicy) -> None:
    coral = Coral(4, False, True)
    reference = contributed(coral, groups, site([0, 1, 0, 1, 0, 1, 0], 0), permission)
    assert all(not bool(tensor.any()) for tensor in reference.state_dict().values())
    assert reference.means() == {}


@pytest.mark.parametrize("few", [0, 1, 2])
def test_a_class_of_too_few_patients_withholds_all_classes(few: int) -> None:
    """61, 39 and 3 cases: shares of two classes would tell the third's number, for that of all cases is known."""
    coral, counts = Coral(4, False, True), [61, 39]
    counts.insert(few, 3)
    one = site([label for label, count in enumerate(counts) for _ in range(count)], 0)
    reference = contributed(coral, 3, one, ReleasePolicy(min_count=5))
    assert all(not bool(tensor.any()) for tensor in reference.state_dict().values())
    told = contributed(coral, 3, one, ReleasePolicy(min_count=3))
    assert told.share.tolist() == pytest.approx([count / 103 for count in counts])
    assert contributed(coral, 1, one, ReleasePolicy(min_count=5)).share.tolist() == [1.0]


def test_it_is_patients_that_count() -> None:
    """Class 1 has six cases of two patients; all eleven cases are of seven."""
    coral = Coral(4, False, True)
    one = site([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], 0, [0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6])
    assert contributed(coral, 2, one, ReleasePolicy(min_count=5)).share.tolist() == [0.0, 0.0]
    assert contributed(coral, 2, one, ReleasePolicy(min_count=2)).share.tolist() == pytest.approx([5 / 11, 6 / 11])
    assert contributed(coral, 1, one, ReleasePolicy(min_count=7)).share.tolist() == [1.0]
    assert contributed(coral, 1, one, ReleasePolicy(min_count=8)).share.tolist() == [0.0]


def test_a_class_without_any_case_withholds_nothing() -> None:
    reference = contributed(Coral(4, False, True), 3, site([0] * 5 + [2] * 5, 0), ReleasePolicy(min_count=5))
    assert reference.share.tolist() == [0.5, 0.0, 0.5]
    assert set(reference.means()) == {0, 2}


def test_shares_of_classes_are_class_counts() -> None:
    coral, one = Coral(4, False, True), site([0, 0, 1, 1], 0)
    secret = replace(ANY, class_counts=False)
    assert contributed(coral, 2, one, secret).means() == {}
    assert set(contributed(coral, 1, one, secret).means()) == {0}


def test_a_second_time_takes_the_place_of_the_first() -> None:
    coral = Coral(4, False, True)
    reference = contributed(coral, 2, site([0, 0, 1, 1], 0))
    contribute(coral, reference, *site([0, 0, 0, 0], 1), ANY)
    again = contributed(coral, 2, site([0, 0, 0, 0], 1))
    assert all(torch.equal(again.state_dict()[n], tensor) for n, tensor in reference.state_dict().items())


def test_features_are_what_the_head_takes() -> None:
    torch.manual_seed(0)
    body, head = nn.Linear(3, 5), nn.Linear(5, 2)
    network = nn.Sequential()
    network.add_module("body", body)
    network.add_module("head", head)
    examples = Examples(torch.randn(7, 3), torch.zeros(7, dtype=torch.int64))
    with torch.no_grad():
        expected = body(examples.inputs)
    assert torch.allclose(features_before_head(network, examples, torch.device("cpu")), expected)
    assert not head._forward_pre_hooks
