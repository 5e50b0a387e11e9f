"""Histogram standardisation by hand, and what it is for: tone curves of different scanners."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.histogram import Landmarks
from fedgraft.common.interfaces.harmoniser import Harmoniser

DECILES = Landmarks([1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0])


def scene(planes: int = 1, side: int = 64) -> Tensor:
    return torch.rand(planes, side, side, generator=torch.Generator().manual_seed(0)) ** 2


def test_landmarks_are_numpy_s_percentiles_plane_by_plane() -> None:
    image = scene(3)
    found = DECILES.describe(image)
    assert (found.dtype, found.shape) == (torch.float64, (33,))
    expected = np.percentile(image[1].double().numpy(), [1, *range(10, 100, 10), 99])
    np.testing.assert_allclose(found[11:22].numpy(), expected)


def test_a_grey_image_counts_as_three_equal_planes() -> None:
    grey = scene()
    assert torch.equal(DECILES.describe(grey), DECILES.describe(grey.expand(3, -1, -1)))
    reference = torch.linspace(0.1, 0.9, 11).repeat(3).tolist()
    torch.testing.assert_close(
        DECILES.apply(grey, reference).expand(3, -1, -1), DECILES.apply(grey.expand(3, -1, -1), reference)
    )


def test_the_function_by_hand() -> None:
    """Median 0.5 goes to 0.8: below it 1.6 times as bright, above it the rest of the way to 1."""
    image = torch.tensor([[[0.0, 0.25], [0.5, 0.75]]])
    median = Landmarks([50.0])
    assert median.describe(image).tolist() == [0.375] * 3
    image = torch.tensor([[[0.25, 0.5, 0.75]]])
    given = median.apply(image, [0.8] * 3)
    torch.testing.assert_close(given, torch.tensor([[[0.4, 0.8, 0.9]]]))


def test_afterwards_an_image_has_the_reference_s_landmarks() -> None:
    reference = torch.cat([torch.linspace(low, 0.9, 11) for low in (0.05, 0.1, 0.2)]).double()
    given = DECILES.apply(scene(3), reference.tolist())
    torch.testing.assert_close(DECILES.describe(given), reference, atol=1e-3, rtol=0)


@pytest.mark.parametrize("gamma", [0.6, 1.0, 1.7])
def test_two_scanners_tone_curves_become_one(gamma: float) -> None:
    """The same scene, bright or dark: between landmarks the function is linear, which is all that is left."""
    reference = DECILES.describe(scene()).tolist()
    given = DECILES.apply(scene() ** gamma, reference)
    away = float((given - scene()).abs().mean())
    assert away < 0.01
    assert gamma == 1 or away < 0.1 * float((scene() ** gamma - scene()).abs().mean())


def test_an_image_that_has_the_reference_s_landmarks_stays_as_it_is() -> None:
    torch.testing.assert_close(DECILES.apply(scene(3), DECILES.describe(scene(3)).tolist()), scene(3))


def test_a_black_background_stays_black_and_the_order_of_greys_stays() -> None:
    """31 % are 0: the landmarks 1, 10, 20 and 30 coincide with the fixed 0, whatever the reference has there."""
    image = scene()
    image.view(-1)[torch.randperm(64 * 64, generator=torch.Generator().manual_seed(1))[: round(0.31 * 64 * 64)]] = 0.0
    reference = [0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] * 3
    assert DECILES.describe(image)[3] == 0 < DECILES.describe(image)[4]
    given = DECILES.apply(image, reference)
    assert given[image == 0].unique().tolist() == [0.0]
    order = image.flatten().argsort(stable=True)
    assert bool((given.flatten()[order].diff() >= 0).all())


def test_saturated_pixels_stay_white() -> None:
    """A quarter is 1: the landmarks 80, 90 and 99 coincide with the fixed 1."""
    image = scene()
    image[0, :, :16] = 1.0
    given = DECILES.apply(image, torch.linspace(0.1, 0.6, 11).repeat(3).tolist())
    assert given[image == 1].unique().tolist() == [1.0]


def test_landmarks_that_coincide_elsewhere_go_to_their_mean() -> None:
    """Both landmarks of a grey of 0.5 are at 0.5, and should be at 0.2 and 0.8."""
    given = Landmarks([40.0, 60.0]).apply(torch.full((1, 4, 4), 0.5), [0.2, 0.8] * 3)
    assert given.unique().tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_constant_image_stays_finite_and_in_the_range(value: float) -> None:
    given = DECILES.apply(torch.full((1, 8, 8), value), torch.linspace(0.1, 0.9, 11).repeat(3).tolist())
    assert given.unique().numel() == 1
    assert 0 <= float(given.max()) <= 1


def test_the_image_is_not_changed() -> None:
    image = scene()
    DECILES.apply(image, [0.5] * 33)
    assert torch.equal(image, scene())


def test_it_is_a_harmoniser() -> None:
    assert isinstance(DECILES, Harmoniser)


@pytest.mark.parametrize("percentiles", [[], [0.0, 50.0], [50.0, 100.0], [50.0, 50.0], [60.0, 40.0], ["a"], [True]])
def test_percentiles_that_are_none(percentiles: list[float]) -> None:
    with pytest.raises(PlanError, match=r"harmonise\.percentiles must be numbers above 0 and below 100, each larger"):
        Landmarks(percentiles)
