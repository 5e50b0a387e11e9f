"""How features are scaled, by scikit-learn and by hand; constant features; which numbers are given and which local."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.moments import Moments, moments_of, pooled, within
from fedgraft.common.features.scale import (
    SAID,
    CaseScale,
    Standardised,
    common_moments,
    common_values,
    deviation_of,
    late_features,
    own_values,
    scale_of,
)
from fedgraft.common.interfaces.features import Group
from fedgraft.common.models.build import build
from fedgraft.common.plan.feature_sections import FeaturesSection, NetworkSection, ScaleName
from fedgraft.common.plan.plan import Plan

GROUPS = (Group("blocks.0", 3), Group("blocks.1", 2))
OWN = torch.tensor([[0.0, 1.0, 5.0, 1.0, 2.0], [2.0, 1.0, 9.0, 3.0, 4.0], [4.0, 1.0, 10.0, 8.0, 0.0]])
OTHER = 3 + 2 * OWN + torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0, 0.0]])


def section(scale: ScaleName, shrink: float = 0.0) -> FeaturesSection:
    return FeaturesSection(scale=scale, shrink=shrink)


def filled(chosen: FeaturesSection, own: Moments, common: Moments, use_own: float = 1.0) -> nn.Module:
    """The scale at a site, with all its values set."""
    scale = scale_of(chosen, GROUPS)
    roles = getattr(scale, "roles", {})
    given = {name: scale.get_buffer(name) for name, role in roles.items() if role == "given"}
    given |= common_values(given, common)
    if "own" in given:
        given["own"] = torch.full((1,), use_own)
    scale.load_state_dict({**given, **own_values(scale, own, given, chosen.shrink)}, strict=False)
    return scale


def standardised(features: torch.Tensor, by: torch.Tensor) -> np.ndarray:
    found: np.ndarray = StandardScaler().fit(by.double().numpy()).transform(features.double().numpy())
    return found


def test_own_is_scikit_learns_scaler_of_the_site_and_common_that_of_all() -> None:
    own, common = moments_of(OWN), pooled([moments_of(OWN), moments_of(OTHER)])
    np.testing.assert_allclose(filled(section("own"), own, common)(OTHER), standardised(OTHER, OWN), atol=1e-5)
    both = torch.cat([OWN, OTHER])
    np.testing.assert_allclose(filled(section("common"), own, common)(OTHER), standardised(OTHER, both), atol=1e-5)


def test_centre_takes_the_own_mean_and_the_deviation_around_it_over_all_sites() -> None:
    parts = [moments_of(OWN), moments_of(OTHER)]
    common = common_moments(section("centre"), parts)
    assert torch.equal(common.squares, within(parts).squares)
    around = torch.cat([OWN - OWN.mean(0), OTHER - OTHER.mean(0)]).double().numpy().std(0)
    around[1] = 1  # a constant feature: only its mean is taken away
    by_hand = (OTHER - OWN.mean(0)).double().numpy() / around
    np.testing.assert_allclose(filled(section("centre"), parts[0], common)(OTHER), by_hand, atol=1e-5)


def test_early_is_own_in_the_first_half_of_the_depths_and_common_behind_it() -> None:
    own, common = moments_of(OWN), moments_of(torch.cat([OWN, OTHER]))
    found = filled(section("early"), own, common)(OTHER)
    torch.testing.assert_close(found[:, :3], filled(section("own"), own, common)(OTHER)[:, :3])
    torch.testing.assert_close(found[:, 3:], filled(section("common"), own, common)(OTHER)[:, 3:])


def test_early_halves_each_of_several_networks_and_an_odd_depth_is_late() -> None:
    networks = (NetworkSection("a"), NetworkSection("b"))
    groups = tuple(Group(f"members.{name}", 1) for name in ("0.x", "0.y", "1.x", "1.y", "1.z"))
    late = late_features(FeaturesSection(scale="early", networks=networks), groups)
    assert late.tolist() == [False, True, False, True, True]
    alone = tuple(Group(f"members.{place}", 2) for place in range(2))
    with pytest.raises(PlanError, match="and one is read"):
        late_features(FeaturesSection(scale="early", networks=networks), alone)


def test_early_of_a_single_depth_is_refused() -> None:
    with pytest.raises(
        PlanError, match=r"features.scale=early tells early depths from late ones, and one is read; use"
    ):
        scale_of(section("early"), GROUPS[:1])


def test_all_other_scales_pool_the_cases() -> None:
    parts = [moments_of(OWN), moments_of(OTHER)]
    assert torch.equal(common_moments(section("auto"), parts).squares, pooled(parts).squares)


def test_a_constant_feature_stays_at_zero() -> None:
    scaled = filled(section("own"), moments_of(OWN), moments_of(OWN))(OWN)
    assert scaled[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert bool(scaled.isfinite().all())


def test_a_deviation_of_rounding_errors_is_that_of_a_constant() -> None:
    found = deviation_of(torch.tensor([4.0, 0.0, 1e-14, -1e-20]).double())
    assert found.tolist() == [2.0, 1.0, 1.0, 1.0]


def test_a_site_of_one_case_takes_only_its_mean_away() -> None:
    scaled = filled(section("own"), moments_of(OWN[:1]), moments_of(OWN))(OWN)
    torch.testing.assert_close(scaled, OWN - OWN[0])


def test_own_moments_drawn_to_the_common_ones() -> None:
    """As `drawn_to`: three own cases and a shrinkage of 3 weigh the same."""
    own, common = moments_of(OWN), moments_of(OTHER)
    scaled = filled(section("own", 3.0), own, common)(OWN).double().numpy()
    both = torch.cat([OWN, OTHER])
    np.testing.assert_allclose(scaled[:, [0, 2, 3, 4]], standardised(OWN, both)[:, [0, 2, 3, 4]], atol=1e-5)


@pytest.mark.parametrize("use_own", [0.0, 1.0])
def test_auto_is_common_or_own(use_own: float) -> None:
    own, common = moments_of(OWN), moments_of(torch.cat([OWN, OTHER]))
    found = filled(section("auto"), own, common, use_own)(OTHER)
    expected = filled(section("own" if use_own else "common"), own, common)(OTHER)
    torch.testing.assert_close(found, expected)


def test_by_case_each_group_has_its_own_mean_and_deviation() -> None:
    scaled = CaseScale((3, 2))(torch.tensor([[1.0, 2.0, 3.0, 10.0, 30.0]]))
    outer = 1.5**0.5
    torch.testing.assert_close(scaled, torch.tensor([[-outer, 0.0, outer, -1.0, 1.0]]), rtol=1e-4, atol=1e-5)


def test_as_built_it_changes_nothing() -> None:
    for name in ("common", "centre", "own", "own_balanced", "early", "auto"):
        scale = scale_of(section(name), GROUPS)
        assert isinstance(scale, Standardised)
        assert torch.equal(scale(OWN), OWN), name
    assert isinstance(scale_of(section("none"), GROUPS), nn.Identity)
    assert isinstance(scale_of(section("case"), GROUPS), CaseScale)


COMMON_TOO = {"scale.common_mean", "scale.common_deviation", "scale.own"}


@pytest.mark.parametrize(
    ("overrides", "given", "local"),
    [
        (("none",), set(), set()),
        (("case",), set(), set()),
        (("common",), {"scale.mean", "scale.deviation"}, set()),
        (("centre",), {"scale.deviation"}, {"scale.mean"}),
        (("own",), set(), {"scale.mean", "scale.deviation"}),
        (("own_balanced",), set(), {"scale.mean", "scale.deviation"}),
        (("own", "features.shrink=5"), COMMON_TOO, {"scale.mean", "scale.deviation"}),
        (("centre", "features.shrink=5"), {*COMMON_TOO, "scale.deviation"}, {"scale.mean"}),
        (("early",), COMMON_TOO, {"scale.mean", "scale.deviation"}),
        (("auto",), COMMON_TOO, {"scale.mean", "scale.deviation"}),
    ],
)
def test_what_is_given_and_what_stays(
    small: Callable[..., Plan], overrides: tuple[str, ...], given: set[str], local: set[str]
) -> None:
    scale, *more = overrides
    plan = small("test_efficientnet", "features=taps", f"features.scale={scale}", *more)
    model = build(plan, None)
    assert (set(model.names("given")), set(model.names("local"))) == (given, local)
    assert set(model.names("shared")) == {"head.weight", "head.bias"}
    assert set(model.received) == {"head.weight", "head.bias", *given}
    assert model.has_local_scale == bool(local) and not model.is_trained_apart
    assert plan.features.needs_common == bool(given)


def test_each_is_said_in_words() -> None:
    assert set(SAID) == set(get_args(ScaleName))
