"""What a case costs: arithmetic, and a real measurement."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgraft.client.check.measure import measure, network, peak_bytes, seconds_per_case
from fedgraft.client.cohort.case import Case
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import HeadSection

Composer = Callable[..., Plan]


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    rng = np.random.default_rng(0)
    for at in range(4):
        Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(tmp_path / f"{at}.png")
    return [Case(str(tmp_path / f"{at}.png"), ("clear", "lesion")[at % 2], f"p{at}") for at in range(4)]


def site(tmp_path: Path) -> SiteFile:
    return SiteFile("north", tmp_path / "m.csv", tmp_path / "state", threads=1)


def test_seconds_are_divided_by_cases_without_the_first_time() -> None:
    """Setting up takes 9 s, each time after it 0.25 s for 50 cases."""
    took, clock = iter([9.0]), [0.0]

    def work() -> int:
        clock[0] += next(took, 0.25)
        return 50

    assert seconds_per_case(work, lambda: clock[0]) == 0.005


@pytest.mark.parametrize(("views", "keep_as", "width"), [(1, "float32", 4), (2, "float16", 2)])
def test_a_real_measurement(
    compose_plan: Composer, cases: list[Case], tmp_path: Path, views: int, keep_as: str, width: int
) -> None:
    extra = ("augment=mild", f"augment.views={views}") if views > 1 else ()
    plan = compose_plan(*extra, f"backbone.keep_as={keep_as}")
    model, threads = network(plan, site(tmp_path)), torch.get_num_threads()
    found = measure(plan, model, site(tmp_path), cases)
    assert found.cases == 4 and min(found.decode, found.compute, found.train, found.evaluate) > 0
    assert found.view == 0 or views > 1, "of two views a difference of two times, which can be 0 on a busy machine"
    assert found.row_bytes == model.width * width
    assert 50_000_000 < found.peak_bytes <= peak_bytes()
    assert torch.get_num_threads() == threads
    assert not (tmp_path / "state").exists()


def test_a_plan_that_leaves_features_out(compose_plan: Composer, cases: list[Case], tmp_path: Path) -> None:
    """A row on disk holds all of them."""
    plan = compose_plan("features.keep=20")
    model = network(plan, site(tmp_path))
    found = measure(plan, model, site(tmp_path), cases)
    assert model.head_width == 20
    assert found.row_bytes == model.width * 4 and min(found.train, found.evaluate) > 0


def test_a_plan_of_findings(compose_plan: Composer, cases: list[Case], tmp_path: Path) -> None:
    """One finding is known of every other case."""
    plan = compose_plan("data.task=multilabel", "loss=binary_cross_entropy")
    some = [
        replace(one, label="", columns=(("clear", "1"), ("lesion", ("0", "")[at % 2]))) for at, one in enumerate(cases)
    ]
    found = measure(plan, network(plan, site(tmp_path)), site(tmp_path), some)
    assert min(found.train, found.evaluate) > 0


def test_the_network_needs_no_pretrained_weights(compose_plan: Composer, tmp_path: Path) -> None:
    plan = compose_plan("backbone.pretrained=true", "backbone.weights=/no/such/file.safetensors")
    assert network(plan, site(tmp_path)).name == "test_efficientnet"


def test_a_part_that_the_site_does_not_allow(compose_plan: Composer, tmp_path: Path) -> None:
    plan = replace(compose_plan(), head=HeadSection("other.package.Head"))
    with pytest.raises(PlanError, match=r"other\.package"):
        network(plan, site(tmp_path))


def test_a_case_that_can_t_be_read(compose_plan: Composer, tmp_path: Path) -> None:
    plan = compose_plan()
    with pytest.raises(DataError):
        measure(plan, network(plan, site(tmp_path)), site(tmp_path), [Case("/no/such.png", "clear", "p")])
