"""Images as a network takes them: keys of views, and batches of one shape, normalised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedgraft.client.augmentation.views import Bank, identity, view_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, InputContext
from fedgraft.client.cohort.quarantine import reason_of
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.images.transforms import normalise, resize
from fedgraft.client.site.limits import Limits, Rules
from fedgraft.client.site.machine import cores
from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import WrongKindError
from fedgraft.common.harmonisation.reference import harmony_of
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.kinds.images import Images
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

SPEC = ImageSpec(channels=3, size=16, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic")
GREY = ImageSpec(channels=1, size=16, mean=(0.5,), std=(0.25,), interpolation="bicubic")
DEFAULT = Rules()
Planner = Callable[..., Plan]
Start = Callable[..., ImageIngest]


@pytest.fixture
def inputs(start: Start, compose_plan: Planner) -> Callable[..., ImageInputs]:
    """``inputs(spec, "augment=mild")``: of a start, and what a plan says of views."""

    def made(spec: ImageSpec = SPEC, *overrides: str) -> ImageInputs:
        plan = compose_plan(*overrides)
        return ImageInputs(start(spec=spec), Bank(plan.augment, plan.seed))

    return made


Maker = Callable[..., ImageInputs]


def wanted(cases: Sequence[Case], views: int) -> list[CaseView]:
    return [CaseView(case, view) for case in cases for view in range(views)]


def test_a_grey_case_and_one_in_colour_are_as_the_network_wants_them(
    cohort: list[Case], inputs: Maker, read_case: CaseReader
) -> None:
    """Pixels are kept in steps of 1/65535: half of one, over the least deviation."""
    made = inputs()
    made.facts(cohort)
    ((part, batch),) = made.batches(wanted(cohort, 1), 100)
    assert (part, batch.dtype, batch.shape) == (slice(0, 13), torch.float32, (13, 3, 16, 16))
    expected = [normalise(resize(read_case(case).pixels, SPEC), SPEC).expand(3, -1, -1) for case in cohort]
    torch.testing.assert_close(batch, torch.stack(expected), rtol=0, atol=0.51 / 65535 / 0.224)
    assert not torch.equal(batch[4, 0], batch[4, 1]), "number 4 is in colour"


def test_grey_cases_alone_become_three_planes_and_one_for_a_grey_network(cohort: list[Case], inputs: Maker) -> None:
    for spec, planes in ((SPEC, 3), (GREY, 1)):
        made = inputs(spec)
        made.facts(cohort)
        ((_, batch),) = made.batches(wanted(cohort[:3], 1), 8)
        assert batch.shape == (3, planes, 16, 16)
        assert len(made.ingest.images(cohort[4:5])[0]) == planes


@pytest.mark.parametrize(
    ("batch", "parts"),
    [
        (100, [(0, 9)]),
        (9, [(0, 9)]),
        (8, [(0, 6), (6, 9)]),
        (4, [(0, 3), (3, 6), (6, 9)]),
        (2, [(0, 2), (2, 3), (3, 5), (5, 6), (6, 8), (8, 9)]),
        (1, [(n, n + 1) for n in range(9)]),
    ],
)
def test_the_views_of_a_case_stay_together_if_they_fit(
    cohort: list[Case], inputs: Maker, batch: int, parts: list[tuple[int, int]]
) -> None:
    """Three views of three cases."""
    made = inputs(SPEC, "augment=mild")
    made.facts(cohort)
    given = list(made.batches(wanted(cohort[:3], 3), batch))
    assert [(part.start, part.stop) for part, _ in given] == parts
    assert [len(some) for _, some in given] == [stop - start for start, stop in parts]
    (whole,) = made.batches(wanted(cohort[:3], 3), 9)
    assert torch.equal(torch.cat([some for _, some in given]), whole[1])


def test_no_case_gives_no_batch(inputs: Maker) -> None:
    assert list(inputs().batches([], 4)) == []
    assert inputs().keys([]) == []


def test_a_view_is_that_of_the_bank(cohort: list[Case], inputs: Maker, read_case: CaseReader) -> None:
    made = inputs(SPEC, "augment=mild")
    made.facts(cohort)
    ((_, batch),) = made.batches([CaseView(cohort[4], 3), CaseView(cohort[11], 2)], 4)
    for number, (case, view) in enumerate(((cohort[4], 3), (cohort[11], 2))):
        image = view_of(resize(read_case(case).pixels, SPEC), made.bank, identity(case), view)
        torch.testing.assert_close(batch[number], normalise(image, SPEC).expand(3, -1, -1), rtol=0, atol=2e-4)


def test_every_view_has_a_key_of_its_own_and_the_case_as_it_is_one_in_every_bank(
    cohort: list[Case], inputs: Maker
) -> None:
    plain, mild, other = inputs(), inputs(SPEC, "augment=mild"), inputs(SPEC, "augment=mild", "seed=1")
    found = []
    for made in (plain, mild, other):
        made.facts(cohort)
        found.append(made.keys(wanted(cohort, 3 if made is not plain else 1)))
    assert found[0] == found[1][::3] == found[2][::3]
    assert len(set(found[1])) == len(set(found[2])) == 39
    assert set(found[1]) & set(found[2]) == set(found[0]), "another seed, other views"
    assert {len(key) for some in found for key in some} == {32}


def test_the_fingerprint_changes_with_everything_that_is_applied_after_what_is_kept(inputs: Maker) -> None:
    specs = [SPEC, GREY, ImageSpec(3, 16, (0.5, 0.456, 0.406), SPEC.std, "bicubic")]
    specs += [ImageSpec(3, 16, SPEC.mean, (0.5, 0.224, 0.225), "bicubic")]
    assert len({inputs(spec).fingerprint for spec in specs}) == 4


def test_harmonising_comes_before_the_views_and_is_in_the_fingerprint(
    cohort: list[Case], inputs: Maker, read_case: CaseReader, compose_plan: Planner
) -> None:
    numbers = [0.1 + 0.08 * number for number in range(11)] * 3
    plan = compose_plan("augment=mild", "harmonise=histogram", f"harmonise.reference={numbers}")
    made = replace(inputs(SPEC, "augment=mild"), harmony=harmony_of(plan))
    made.facts(cohort)
    ((_, batch),) = made.batches([CaseView(cohort[4]), CaseView(cohort[4], 3)], 4)
    harmony = made.harmony
    assert harmony is not None
    image = harmony.apply(resize(read_case(cohort[4]).pixels, SPEC))
    torch.testing.assert_close(batch[0], normalise(image, SPEC), rtol=0, atol=2e-4)
    view = view_of(image, made.bank, identity(cohort[4]), 3)
    torch.testing.assert_close(batch[1], normalise(view, SPEC), rtol=0, atol=2e-4)
    assert made.fingerprint != inputs(SPEC, "augment=mild").fingerprint


def test_verdicts_and_digests_are_those_of_the_facts(cohort: list[Case], inputs: Maker) -> None:
    made = inputs()
    strange = [cohort[0], Case("/none.png", "x", "p"), cohort[0]]
    assert [reason_of(number) for number in made.verdicts(strange)] == [None, "missing", None]
    first, missing, again = made.digests(strange)
    assert first == again == made.facts(cohort)["digest"][0].tobytes()
    assert missing == bytes(16)


def factory(plan: Plan, rules: Rules = DEFAULT, workers: int | None = 0) -> ImageInputs:
    return ImageFactory().inputs(InputContext(plan, OURS, Store(None), rules, workers))


def test_a_plan_and_a_site_s_rules_become_an_ingest(compose_plan: Planner) -> None:
    plan, limits = compose_plan("dicom.window=lung"), Limits(seconds=7)
    made = factory(plan, Rules(limits, refuse_burned_in=False), None)
    assert made.ingest.reading == Reading(plan.dicom, limits)
    assert (made.ingest.workers, made.ingest.refuse_burned_in) == (cores(), False)
    assert made.ingest.spec == Images(plan, OURS).spec()
    assert factory(plan).ingest.workers == 0
    assert Rules() == Rules(Limits(), refuse_burned_in=True)
    assert made.bank == Bank(plan.augment, plan.seed)
    assert made.harmony is None
    plan = compose_plan("harmonise=fourier")
    assert factory(plan).harmony == harmony_of(plan)


def test_a_line_that_is_one_case_stays_as_it_is(cohort: list[Case], inputs: Maker) -> None:
    assert inputs().expanded(cohort) == tuple(cohort)
    assert np.array_equal(inputs().verdicts([]), np.zeros(0, np.uint8))


def test_rows_are_no_images(inputs: Maker) -> None:
    rows = [Case("/data/laboratory.csv", "a", f"p{row}", row) for row in range(3)]
    with pytest.raises(WrongKindError, match=r"3 case\(s\) are rows of a table, and the plan is for images"):
        inputs().expanded(rows)
    named = Case("/data/cases.csv", "a", "p", 0, columns=(("sex", "f"), ("image", "films/1.PNG")))
    with pytest.raises(
        WrongKindError, match=r"manifest's `path` \(`image` seems to name them: call that column `path`\), or"
    ):
        inputs().expanded([named])
