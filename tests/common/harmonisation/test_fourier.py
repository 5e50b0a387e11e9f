"""Low-frequency amplitudes against NumPy's full transform, by hand, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.fourier import LowAmplitudes
from fedgraft.common.interfaces.harmoniser import Harmoniser


def scene(planes: int = 1, side: int = 32, seed: int = 0) -> Tensor:
    """Well inside [0, 1], so that nothing is cut off."""
    return 0.3 + 0.4 * torch.rand(planes, side, side, generator=torch.Generator().manual_seed(seed))


def fda(source: np.ndarray, amplitude: np.ndarray, most: int) -> np.ndarray:
    """The papers' way: the whole spectrum, shifted, with a window of it replaced."""
    spectrum = np.fft.fftshift(np.fft.fft2(source))
    own, phase = np.abs(spectrum), np.angle(spectrum)
    middle = len(source) // 2
    window = np.s_[middle - most : middle + most + 1, middle - most : middle + most + 1]
    own[window] = np.fft.fftshift(amplitude)[window]
    return np.real(np.fft.ifft2(np.fft.ifftshift(own * np.exp(1j * phase))))


@pytest.mark.parametrize("side", [32, 33])
@pytest.mark.parametrize("band", [0.01, 0.07, 0.2])
def test_it_is_the_papers_replacement(side: int, band: float) -> None:
    source, target = scene(side=side), scene(side=side, seed=1)
    part = LowAmplitudes(band=band, share=1.0)
    given = part.apply(source, part.describe(target).tolist())
    amplitude = np.abs(np.fft.fft2(target[0].double().numpy()))
    expected = fda(source[0].double().numpy(), amplitude, int(band * side))
    np.testing.assert_allclose(given[0].numpy(), expected, atol=1e-5)


def test_what_describes_an_image() -> None:
    """Up to frequency 2 of 32 pixels: 5 x 3 amplitudes of each plane, first the mean."""
    part, image = LowAmplitudes(band=0.07, share=1.0), scene(3)
    found = part.describe(image)
    assert (found.dtype, found.shape) == (torch.float64, (45,))
    assert found[::15].tolist() == pytest.approx(image.double().mean((1, 2)).tolist())
    expected = np.abs(np.fft.fft2(image[2].double().numpy())) / 32**2
    np.testing.assert_allclose(found[30:].reshape(5, 3).numpy(), expected[[0, 1, 2, 30, 31]][:, :3])


def test_a_grey_image_counts_as_three_equal_planes() -> None:
    part, grey = LowAmplitudes(band=0.1, share=1.0), scene()
    assert torch.equal(part.describe(grey), part.describe(grey.expand(3, -1, -1)))
    reference = part.describe(scene(seed=2)).tolist()
    torch.testing.assert_close(
        part.apply(grey, reference).expand(3, -1, -1), part.apply(grey.expand(3, -1, -1), reference)
    )


def test_brightness_by_hand() -> None:
    """A constant image has frequency 0 alone: half way from 0.2 to 0.6."""
    half = LowAmplitudes(band=0.01, share=0.5)
    torch.testing.assert_close(half.apply(torch.full((1, 8, 8), 0.2), [0.6] * 3), torch.full((1, 8, 8), 0.4))


def test_an_image_s_own_amplitudes_change_nothing() -> None:
    part = LowAmplitudes(band=0.2, share=1.0)
    torch.testing.assert_close(part.apply(scene(3), part.describe(scene(3)).tolist()), scene(3))


def test_a_scanner_s_slow_shading_goes() -> None:
    """The same scene under a shading of another scanner comes nearer to the shared mean's."""
    shading = 0.15 * torch.cos(torch.linspace(0, 2 * torch.pi, 33)[:-1])[None, None]
    part = LowAmplitudes(band=0.1, share=1.0)
    given = part.apply(scene() + shading, part.describe(scene()).tolist())
    before, after = (float((image - scene()).abs().mean()) for image in (scene() + shading, given))
    assert after < 0.2 * before


def test_black_has_no_phase_and_stays_finite() -> None:
    part = LowAmplitudes(band=0.1, share=1.0)
    given = part.apply(torch.zeros(1, 16, 16), part.describe(scene(side=16)).tolist())
    assert bool(torch.isfinite(given).all())
    assert 0 <= float(given.min()) <= float(given.max()) <= 1


def test_the_image_is_not_changed_and_the_result_stays_in_the_range() -> None:
    part, image = LowAmplitudes(band=0.2, share=1.0), (scene(3) > 0.5).float()
    before = image.clone()
    given = part.apply(image, [1.0] * len(part.describe(image)))
    assert torch.equal(image, before)
    assert (float(given.min()), float(given.max())) == (0.0, 1.0)
    assert given.dtype == torch.float32


def test_it_is_a_harmoniser() -> None:
    assert isinstance(LowAmplitudes(0.1, 1.0), Harmoniser)


@pytest.mark.parametrize(
    ("band", "share", "text"),
    [
        (0.0, 1.0, r"harmonise\.band=0 must be above 0 and below 0\.5, half of an image's side"),
        (0.5, 1.0, r"harmonise\.band=0\.5 must be above 0 and below 0\.5"),
        (0.1, 0.0, r"harmonise\.share=0 must be above 0, where it would have no effect, and at most 1"),
        (0.1, 1.5, r"harmonise\.share=1\.5 must be above 0"),
    ],
)
def test_options_that_are_out_of_range(band: float, share: float, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        LowAmplitudes(band, share)
