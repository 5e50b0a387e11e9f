"""Statistics of a stage's maps, by numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.features.positions import Layout, as_square, layout_of
from fedgraft.common.features.statistics import STATISTICS, vector

MAP = torch.tensor([[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 8.0]]]])
"""One case, two channels, two rows and four columns."""
NOTHING = torch.empty(1, 0)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("mean", [4.5, 1.0]),
        ("deviation", [5.25**0.5, 7.0**0.5]),  # mean square 25.5 - 4.5^2; 8 - 1
        ("maximum", [8.0, 8.0]),
        ("quadrants", [1.5, 3.5, 5.5, 7.5, 0.0, 0.0, 0.0, 4.0]),
    ],
)
def test_a_small_map(name: str, by_hand: list[float]) -> None:
    found = STATISTICS[name]("stage", MAP)
    torch.testing.assert_close(found, torch.tensor([by_hand]))


def test_of_three_rows_and_columns_the_middle_ones_count_in_both_halves() -> None:
    found = STATISTICS["quadrants"]("stage", torch.arange(9.0).reshape(1, 1, 3, 3))
    assert found.tolist() == [[2.0, 3.0, 5.0, 6.0]]  # of 0 1 3 4, 1 2 4 5, 3 4 6 7, 4 5 7 8


def test_a_map_and_its_tokens_have_the_same_statistics() -> None:
    square = torch.randn(2, 3, 4, 4)
    for name, statistic in STATISTICS.items():
        torch.testing.assert_close(statistic("s", square.flatten(2)), statistic("s", square), msg=name)


def test_the_deviation_is_numpys_whatever_the_memory_layout() -> None:
    maps = torch.randn(3, 5, 6, 7)
    laid_out = maps.contiguous(memory_format=torch.channels_last)
    expected = torch.from_numpy(maps.double().numpy().std(axis=(2, 3)))
    for one in (maps, laid_out):
        torch.testing.assert_close(STATISTICS["deviation"]("s", one).double(), expected, rtol=1e-5, atol=1e-6)


def test_ninths_are_means_of_three_by_three_parts() -> None:
    maps = torch.arange(36.0).reshape(1, 1, 6, 6)
    by_hand = maps.reshape(3, 2, 3, 2).mean(dim=(1, 3)).flatten().tolist()
    assert STATISTICS["ninths"]("stage", maps).tolist() == [by_hand]


@pytest.mark.parametrize(("shape", "said"), [((1, 2, 5), "5"), ((1, 2, 1, 4), "1 x 4")])
@pytest.mark.parametrize(("name", "parts"), [("quadrants", 2), ("ninths", 3)])
def test_parts_need_rows_and_columns(name: str, parts: int, shape: tuple[int, ...], said: str) -> None:
    words = f"{name} need {parts} rows and columns of positions, and the output of blocks.1 has {said}; leave {name}"
    with pytest.raises(PlanError, match=words):
        STATISTICS[name]("blocks.1", torch.zeros(shape))


def test_the_chosen_statistics_stand_in_their_order_and_then_the_leading_tokens() -> None:
    found = vector("stage", MAP, torch.tensor([[9.0]]), ("maximum", "mean"))
    assert found.tolist() == [[8.0, 8.0, 4.5, 1.0, 9.0]]


def test_a_single_position_is_kept_once() -> None:
    one = torch.tensor([[[[3.0]], [[4.0]]]])
    assert vector("stage", one, NOTHING, ("mean", "deviation", "maximum", "quadrants")).tolist() == [[3.0, 4.0]]


def test_of_leading_tokens_alone_nothing_is_averaged() -> None:
    maps, leading = Layout(channels_last=False, leading=1).maps("s", torch.tensor([[[3.0, 4.0]]]))
    assert vector("s", maps, leading, ("mean", "deviation")).tolist() == [[3.0, 4.0]]


def test_maps_are_told_from_tokens_and_vectors() -> None:
    image, tokens = torch.randn(2, 4, 6, 3), torch.randn(2, 5, 3)
    maps, leading = Layout(channels_last=True, leading=1).maps("s", image)
    assert torch.equal(maps, image.permute(0, 3, 1, 2)) and leading.shape == (2, 0)
    maps, leading = Layout(channels_last=False, leading=1).maps("s", image)
    assert torch.equal(maps, image) and leading.shape == (2, 0)
    maps, leading = Layout(channels_last=False, leading=2).maps("s", tokens)
    assert torch.equal(maps, tokens[:, 2:].transpose(1, 2))
    assert torch.equal(leading, torch.cat([tokens[:, 0], tokens[:, 1]], dim=1))
    maps, leading = Layout(channels_last=False, leading=2).maps("s", tokens[:, 0])
    assert maps.shape == (2, 3, 1) and leading.shape == (2, 0)
    with pytest.raises(PlanError, match="the output of s has 5 dimensions, and only maps, tokens and vectors can be"):
        Layout(channels_last=False, leading=0).maps("s", torch.zeros(1, 2, 3, 4, 5))


def test_a_network_declares_its_layout() -> None:
    swin, vit = torch.nn.Identity(), torch.nn.Identity()
    swin.output_fmt, vit.num_prefix_tokens = "NHWC", 5  # type: ignore[assignment]
    assert layout_of(swin) == Layout(channels_last=True, leading=0)
    assert layout_of(vit) == Layout(channels_last=False, leading=5)
    assert layout_of(torch.nn.Identity()) == Layout(channels_last=False, leading=0)


def test_tokens_are_laid_out_as_a_square_row_by_row() -> None:
    tokens = torch.arange(9.0).reshape(1, 1, 9)
    square = as_square(tokens)
    assert square is not None and square[0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert as_square(torch.zeros(1, 1, 8)) is None
