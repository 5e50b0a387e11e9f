"""Colours and stains by hand, by their own inverse, and against scikit-image where that is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.colour import lab_of, rgb_of
from fedgraft.common.harmonisation.macenko import PUBLISHED, Stains
from fedgraft.common.harmonisation.reinhard import ColourTransfer
from fedgraft.common.interfaces.harmoniser import Harmoniser

STAINS = Stains(light=1.0, least=0.15, extreme=1.0)
FIRST, SECOND = torch.tensor([0.6, 0.64, 0.48]).double(), torch.tensor([0.28, 0.96, 0.0]).double()


def picture(planes: int = 3, side: int = 32) -> Tensor:
    return 0.2 + 0.6 * torch.rand(planes, side, side, generator=torch.Generator().manual_seed(0))


def test_white_black_and_red_by_the_standard_s_tables() -> None:
    colours = torch.tensor([[1.0, 0, 1, 0.5], [1, 0, 0, 0.5], [1, 0, 0, 0.5]])
    expected = torch.tensor([[100, 0, 53.24, 53.39], [0, 0, 80.09, 0], [0, 0, 67.20, 0]]).double()
    torch.testing.assert_close(lab_of(colours), expected, atol=0.02, rtol=0)


def test_there_and_back_is_the_same_and_what_no_screen_shows_is_cut_off() -> None:
    torch.testing.assert_close(rgb_of(lab_of(picture())).float(), picture(), atol=1e-5, rtol=0)
    torch.testing.assert_close(rgb_of(torch.tensor([120.0, 0, 0]).double()), torch.ones(3).double())


def test_lab_is_that_of_scikit_image() -> None:
    colour = pytest.importorskip("skimage.color")
    expected = colour.rgb2lab(picture().permute(1, 2, 0).double().numpy())
    np.testing.assert_allclose(lab_of(picture()).permute(1, 2, 0).numpy(), expected, atol=1e-3)


def test_every_image_gets_the_shared_mean_and_deviation() -> None:
    """Of a picture and the same under a cast: afterwards both have the reference's numbers."""
    transfer = ColourTransfer()
    assert isinstance(transfer, Harmoniser)
    reference = [60.0, 2, -3, 8, 4, 5]
    cast = picture() * torch.tensor([1.0, 0.8, 0.6])[:, None, None]
    for image in (picture(), cast):
        found = transfer.describe(transfer.apply(image, reference))
        torch.testing.assert_close(found, torch.tensor(reference).double(), atol=0.05, rtol=0)
    flat = torch.full((3, 4, 4), 0.5)
    assert float(transfer.apply(flat, reference).std(dim=(1, 2)).max()) < 1e-6


def test_a_grey_image_stays_grey_and_has_the_shared_brightness() -> None:
    transfer, reference = ColourTransfer(), [60.0, 20, -30, 8, 4, 5]
    given = transfer.apply(picture(1), reference)
    assert given.shape == (1, 32, 32)
    found = transfer.describe(given)
    torch.testing.assert_close(found[[0, 3]], torch.tensor([60.0, 8]).double(), atol=0.05, rtol=0)
    assert float(found[[1, 2, 4, 5]].abs().max()) < 0.05


def stained(first: Tensor, second: Tensor, strength: float = 1.0) -> Tensor:
    """Tissue of two stains, each alone in a tenth of the pixels."""
    amounts = 0.5 + torch.rand(2, 20, 50, generator=torch.Generator().manual_seed(1)).double()
    amounts[1, :2], amounts[0, 2:4] = 0.0, 0.0
    density = strength * torch.tensordot(torch.stack([first, second], dim=1), amounts, dims=1)
    return torch.exp(-density).float()


def test_stains_are_found_and_exchanged() -> None:
    """Vectors of length 1 that absorb red by 0.6 and 0.28; a pixel without any blue absorption is background."""
    pure = torch.nn.functional.normalize(torch.tensor([0.28, 0.9, 0.33]).double(), dim=0)
    found = STAINS.describe(stained(FIRST, pure))
    torch.testing.assert_close(found[:6], torch.cat([FIRST, pure]), atol=1e-4, rtol=0)
    other = torch.nn.functional.normalize(torch.tensor([0.7, 0.5, 0.5]).double(), dim=0)
    reference = STAINS.describe(stained(other, pure, 0.8))
    given = STAINS.apply(stained(FIRST, pure), reference.tolist())
    torch.testing.assert_close(given, stained(other, pure, 0.8), atol=2e-3, rtol=0)


def test_without_tissue_or_colours_nothing_is_found() -> None:
    white = torch.ones(3, 8, 8)
    assert STAINS.describe(white).tolist() == list(PUBLISHED) == STAINS.describe(torch.full((1, 8, 8), 0.5)).tolist()
    assert torch.equal(STAINS.apply(white, PUBLISHED), white)
    with pytest.raises(PlanError, match="macenko finds stains by their colours, and an image is grey; use histogram"):
        STAINS.apply(torch.full((1, 8, 8), 0.5), PUBLISHED)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"light": 0}, "light=0 must"), ({"least": 0}, "least=0 must"), ({"extreme": 50}, "extreme=50 must")],
)
def test_options_out_of_range_are_named(change: dict[str, float], said: str) -> None:
    with pytest.raises(PlanError, match=f"harmonise.{said}"):
        Stains(**{"light": 1.0, "least": 0.15, "extreme": 1.0, **change})
