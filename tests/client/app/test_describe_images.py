"""What a site tells of its images: means over its training cases, if enough patients, written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgraft.client.account.secret import write_seed
from fedgraft.client.app.statistics import describe
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.client.images.reader import CaseReader
from fedgraft.client.images.transforms import resize
from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.image_statistics import ImageStatistics
from fedgraft.common.harmonisation.reference import harmony_of
from fedgraft.common.kinds.timm_backbone import input_spec
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.statistics import pack_question, read_image_means, unpack_description

from ...conftest import SPLIT

PlanOf = Callable[..., Plan]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """20 pictures of 10 patients, a few in colour."""
    rng = np.random.default_rng(0)
    lines = ["path,label,patient"]
    for number in range(20):
        shape = (20, 24, 3) if number % 7 == 0 else (20, 24)
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{('clear', 'lesion')[number // 2 % 2]},p{number // 2}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    path = tmp_path / "site.yaml"
    machine = "device: cpu\nthreads: 1\nworkers: 0\n"
    path.write_text(f"name: north\nmanifest: manifest.csv\nstate: state\n{machine}{SPLIT}")
    write_seed(tmp_path / "state", 0)
    return path


def told(plan: Plan, site: Path) -> ImageStatistics:
    content = describe(pack_question(plan.to_json(), plan.digest), Workspace(), site, 7)
    harmony = harmony_of(plan)
    assert harmony is not None
    numbers = harmony.numbers(32)
    found = unpack_description(content, lambda record: read_image_means(record, numbers))
    assert (found.site, found.plan_digest) == ("north", plan.digest)
    assert isinstance(found.statistics, ImageStatistics)
    return found.statistics


@pytest.mark.parametrize("name", ["histogram", "fourier"])
def test_it_is_the_mean_over_the_training_cases(
    compose_plan: PlanOf, site: Path, read_case: CaseReader, name: str
) -> None:
    """Pixels are kept in steps of 1/65535."""
    plan = compose_plan(f"harmonise={name}")
    harmony, spec = harmony_of(plan), input_spec(plan.backbone, 32)
    assert harmony is not None
    train = split_as_planned(read_manifest(site.parent / "manifest.csv"), plan.data, plan.seed)["train"]
    assert 5 < len(train) < 20
    images = [resize(read_case(case).pixels, spec) for case in train]
    expected = torch.stack([harmony.harmoniser.describe(image) for image in images]).mean(0)
    found = told(plan, site)
    assert found.cases == len(train)
    assert found.means == pytest.approx(expected.tolist(), abs=2e-5)


def test_what_leaves_is_what_is_written_down(compose_plan: PlanOf, site: Path) -> None:
    found = told(compose_plan("harmonise=histogram"), site)
    (line,) = [json.loads(text) for text in (site.parent / "state" / "released.jsonl").read_text().splitlines()]
    assert (line["what"], line["run"]) == ("statistics", 7)
    assert line["images"] == {"cases": found.cases, "means": list(found.means)}


@pytest.mark.parametrize("release", [{"statistics": False}, {"min_count": 10}])
def test_too_few_patients_or_no_permission_tell_nothing(
    compose_plan: PlanOf, site: Path, release: dict[str, object]
) -> None:
    """Ten patients, of whom not all train: 20 pictures would be enough, their patients are not."""
    site.write_text(f"{site.read_text()}release: {json.dumps(release)}\n")
    assert told(compose_plan("harmonise=histogram"), site) == ImageStatistics()


def test_a_held_out_site_tells_nothing(compose_plan: PlanOf, site: Path) -> None:
    assert told(compose_plan("harmonise=histogram", "hold_out=[north]"), site) == ImageStatistics()


def test_more_numbers_than_travel_with_a_plan_are_not_computed(compose_plan: PlanOf, site: Path) -> None:
    plan = compose_plan("harmonise=fourier", "harmonise.band=0.49", "data.image_size=256")
    with pytest.raises(PlanError, match=r"more than the 20000 that travel with a plan; lower harmonise.band"):
        describe(pack_question(plan.to_json(), plan.digest), Workspace(), site, 7)
