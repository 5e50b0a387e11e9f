"""Each change of a view by hand, or against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from fedgraft.client.augmentation.transforms import Change, Erased, blurred, changed, erased, moved, noisy


def noise(planes: int = 1, size: int = 32) -> Tensor:
    return torch.rand(planes, size, size, generator=torch.Generator().manual_seed(0))


def test_mirroring_by_hand() -> None:
    image = torch.tensor([[[0.0, 0.25], [0.5, 1.0]]])
    assert changed(image, Change(flip=True)).tolist() == [[[0.25, 0.0], [1.0, 0.5]]]


def test_brightness_and_contrast_by_hand() -> None:
    image = torch.tensor([[[0.0, 0.2], [0.4, 1.0]]])  # mean 0.4
    torch.testing.assert_close(changed(image, Change(brightness=1.5)), torch.tensor([[[0.0, 0.3], [0.6, 1.0]]]))
    torch.testing.assert_close(changed(image, Change(contrast=0.5)), torch.tensor([[[0.2, 0.3], [0.4, 0.7]]]))


@pytest.mark.parametrize(("angle", "turns"), [(90.0, 1), (180.0, 2), (-90.0, 3)])
def test_quarter_turns_are_numpy_s(angle: float, turns: int) -> None:
    image = noise(3)
    expected = np.rot90(image.numpy(), turns, axes=(1, 2)).copy()
    torch.testing.assert_close(moved(image, Change(rotate=angle)), torch.from_numpy(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("angle", [-17.0, 5.0, 45.0])
def test_any_rotation_is_scipy_s(angle: float) -> None:
    image = noise()
    expected = ndimage.rotate(image[0].numpy(), angle, reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(moved(image, Change(rotate=angle))[0].numpy(), expected, atol=1e-4)


def test_a_zoom_is_scipy_s() -> None:
    image, middle = noise(), 15.5
    expected = ndimage.affine_transform(
        image[0].numpy(), np.eye(2) / 1.25, offset=middle - middle / 1.25, order=1, mode="nearest"
    )
    np.testing.assert_allclose(moved(image, Change(zoom=1.25))[0].numpy(), expected, atol=1e-5)


def test_a_shift_by_whole_pixels_repeats_the_edge() -> None:
    image = noise(size=4)
    given = moved(image, Change(right=0.25, down=-0.5))[0].numpy()  # one pixel to the right, two up
    plain = image[0].numpy()
    expected = plain[np.ix_([2, 3, 3, 3], [0, 0, 1, 2])]
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_the_shift_comes_after_rotation_and_zoom() -> None:
    """A bright pixel 4 right of the centre goes up by a quarter turn, twice as far out, then 3 to the right."""
    image = torch.zeros(1, 33, 33)
    image[0, 16, 20] = 1.0
    given = moved(image, Change(rotate=90.0, zoom=1.5, right=3 / 33))
    assert np.unravel_index(int(given.argmax()), (33, 33)) == (10, 19)


def test_a_constant_image_stays_as_it_is_wherever_it_is_moved() -> None:
    image = torch.full((1, 16, 16), 0.3)
    torch.testing.assert_close(moved(image, Change(rotate=33.0, right=0.4, zoom=0.5)), image)


def test_gamma_by_hand() -> None:
    image = torch.tensor([[[0.0, 0.25], [0.5, 1.0]]])
    torch.testing.assert_close(changed(image, Change(gamma=2.0)), torch.tensor([[[0.0, 0.0625], [0.25, 1.0]]]))


@pytest.mark.parametrize("deviation", [0.02, 0.05, 0.1])
def test_a_blur_is_scipy_s(deviation: float) -> None:
    """Both reach three deviations; the kernel ends there, so that the last digits of the tail differ."""
    image = noise()
    pixels = deviation * 32
    reach = int(np.ceil(3 * pixels))
    expected = ndimage.gaussian_filter(image[0].numpy(), pixels, mode="mirror", radius=reach)
    np.testing.assert_allclose(blurred(image, deviation)[0].numpy(), expected, atol=1e-5)


def test_a_blur_wider_than_the_image_leaves_a_flat_one() -> None:
    soft = blurred(noise(size=8), 5.0)
    assert float(soft.max() - soft.min()) < 0.1
    assert float((soft - noise(size=8).mean()).abs().max()) < 0.15


def test_noise_has_the_deviation_and_is_drawn_from_its_seed() -> None:
    grey = torch.full((3, 128, 128), 0.5)
    given = noisy(grey, 0.1, 4)
    assert float((given - grey).std()) == pytest.approx(0.1, rel=0.02)
    assert float((given - grey).mean()) == pytest.approx(0, abs=0.002)
    assert torch.equal(given, noisy(grey, 0.1, 4))
    assert not torch.equal(given, noisy(grey, 0.1, 5))
    assert not torch.equal(given[0], given[1]), "each plane of a detector has noise of its own"


def test_noise_leaves_torch_s_own_generator_alone_and_stays_in_the_range() -> None:
    before = torch.random.get_rng_state()
    given = noisy((noise() > 0.5).float(), 0.3, 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (float(given.min()), float(given.max())) == (0.0, 1.0)


def test_an_erased_rectangle_by_hand() -> None:
    """An eighth of 8 x 8 pixels, twice as high as wide: 4 x 2, at the right end of the free columns, in the middle."""
    image = noise(3, 8)
    given = erased(image, Erased(area=1 / 8, aspect=2.0, right=1.0, down=0.5))
    expected = image.clone()
    expected[:, 2:6, 6:8] = image.mean((1, 2))[:, None, None]
    torch.testing.assert_close(given, expected)


def test_an_erased_rectangle_is_a_pixel_at_least_and_the_image_at_most() -> None:
    image = noise(size=8)
    assert int((erased(image, Erased(1e-6, 1.0, 0.0, 0.0)) != image).sum()) == 1
    whole = erased(image, Erased(0.9, 2.0, 0.0, 0.0))
    assert whole.shape == image.shape
    assert float(whole[:, :, 0].std()) == pytest.approx(0, abs=1e-6)


def test_the_detector_s_noise_comes_after_the_lens_s_blur() -> None:
    image = torch.full((1, 32, 32), 0.5)
    given = changed(image, Change(blur=0.1, noise=0.1, noise_seed=3))
    torch.testing.assert_close(given, noisy(image, 0.1, 3))
