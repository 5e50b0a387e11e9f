"""A cohort as tensors: labels, splits, and that what is kept is not computed again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgraft.client.cohort.case import Case
from fedgraft.client.images.reader import CaseReader
from fedgraft.client.images.transforms import normalise
from fedgraft.client.site.row_store import Store
from fedgraft.common import tensors
from fedgraft.common.errors import DataError
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model

from ..conftest import Counter
from .small_cohort import CLASSES, all_of, cases, cohort_of, extractor, kept_image, load, model, plan_of

__all__ = ["cases", "model"]  # fixtures


def spoil(cases: tuple[Case, ...]) -> None:
    """Make every file undecodable, with its size and time as they were."""
    for case in cases:
        path, status = Path(case.path), Path(case.path).stat()
        path.write_bytes(b"\0" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_features_are_those_of_the_backbone(
    cases: tuple[Case, ...], model: Model, read_case: CaseReader, tmp_path: Path
) -> None:
    examples = load(cases, model, Store(tmp_path / "kept"))
    images = torch.stack([kept_image(case, model, read_case) for case in cases])
    with torch.no_grad():
        expected = model.network.backbone(normalise(images, model.spec).expand(-1, 3, -1, -1))
    torch.testing.assert_close(examples.inputs, expected)
    assert examples.inputs.shape == (20, model.width)
    assert examples.labels.tolist() == [CLASSES.index(case.label) for case in cases]


def test_a_second_load_decodes_nothing(cases: tuple[Case, ...], model: Model, tmp_path: Path) -> None:
    first, second = Counter(), Counter()
    before = load(cases, model, Store(tmp_path / "kept"), first)
    spoil(cases)
    after = load(cases, model, Store(tmp_path / "kept"), second)
    assert (first.cases, second.cases) == (20, 0)
    assert torch.equal(before.inputs, after.inputs)


def test_only_what_is_new_or_changed_is_computed(cases: tuple[Case, ...], model: Model, tmp_path: Path) -> None:
    """Five are new, one has other pixels; one was touched, and holds what it held."""
    load(cases[:15], model, Store(tmp_path / "kept"))
    os.utime(cases[0].path, ns=(10**18, 10**18))
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(cases[1].path)
    counter = Counter()
    load(cases, model, Store(tmp_path / "kept"), counter)
    assert counter.cases == 6


def test_the_order_of_cases_is_kept_whatever_was_computed_before(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    whole = load(cases, model, Store(tmp_path / "one"))
    load(cases[5:9], model, Store(tmp_path / "two"))
    backwards = load(cases[::-1], model, Store(tmp_path / "two"))
    torch.testing.assert_close(backwards.inputs.flip(0), whole.inputs)


@pytest.mark.parametrize("adaptation", ["ssf", "fedbn"])
def test_images_are_kept_where_training_reaches_the_backbone(
    cases: tuple[Case, ...], tmp_path: Path, adaptation: str
) -> None:
    adapted = build(plan_of("test_resnet", f"adaptation={adaptation}"), None)
    examples = load(cases, adapted, Store(tmp_path / "kept"))
    assert examples.inputs.shape == (20, 3, 32, 32)
    spoil(cases)
    assert torch.equal(load(cases, adapted, Store(tmp_path / "kept")).inputs, examples.inputs)
    assert adapted.constant.trained is adapted.network


def test_the_head_is_trained_on_constant_features(model: Model) -> None:
    assert model.constant.trained is model.network.head


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("test_resnet", ("seed=1",)),
        ("test_resnet", ("data.image_size=48",)),
        ("test_resnet", ("backbone.channels=1",)),
        ("test_efficientnet", ()),
    ],
)
def test_features_of_another_backbone_are_not_mistaken(
    cases: tuple[Case, ...], model: Model, tmp_path: Path, name: str, overrides: tuple[str, ...]
) -> None:
    load(cases, model, Store(tmp_path / "kept"))
    plan, counter = plan_of(name, *overrides), Counter()
    all_of(extractor(build(plan, None), Store(tmp_path / "kept"), counter, plan), cases)
    assert counter.cases == 20


def test_features_of_another_network_with_the_same_weights_are_not_mistaken(
    cases: tuple[Case, ...], tmp_path: Path
) -> None:
    """These two have the same tensors and input, but pad their convolutions differently."""
    first, second = (build(plan_of(name), None) for name in ("efficientnet_b0", "tf_efficientnet_b0"))
    assert tensors.digest(first.backbone_state()) == tensors.digest(second.backbone_state())
    load(cases, first, Store(tmp_path / "shared"))
    assert torch.equal(
        load(cases, second, Store(tmp_path / "shared")).inputs, load(cases, second, Store(tmp_path / "fresh")).inputs
    )


def test_a_label_that_is_no_class_is_counted_and_the_classes_named(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    strange = tuple(Case(case.path, "tumour", case.patient) for case in cases[:3]) + cases[3:]
    counter = Counter()
    with pytest.raises(DataError) as caught:
        load(strange, model, Store(None), counter)
    assert str(caught.value) == "3 case(s) have a label that is not in data.classes: clear, lesion"
    assert counter.cases == 0


def test_examples_of_cases_that_can_not_be_used_are_an_error_that_names_no_file(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    Path(cases[4].path).unlink()
    spoil(cases[5:7])
    with pytest.raises(DataError) as caught:
        load(cases, model, Store(tmp_path / "kept"))
    assert str(caught.value) == "3 case(s) can't be used: damaged 2, missing 1"


def test_a_cohort_leaves_out_what_can_not_be_used_and_moves_no_other_case(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    plan, store = plan_of("test_resnet", "data.val_fraction=0.2", "data.test_fraction=0.2"), Store(None)
    whole = cohort_of(cases, extractor(model, store, plan=plan))
    Path(cases[4].path).write_bytes(b"nothing")
    Path(cases[7].path).unlink()
    counter = Counter()
    left = cohort_of(cases, extractor(model, store, counter, plan))
    assert sum(len(examples) for examples in left.values()) == 18
    assert counter.cases == 0
    for name, examples in left.items():
        usable = {tuple(row.tolist()) for row in examples.inputs}
        rows = whole[name].inputs[[tuple(row.tolist()) in usable for row in whole[name].inputs]]
        assert torch.equal(rows, examples.inputs)


def test_a_cohort_of_which_nothing_can_be_used_says_why(cases: tuple[Case, ...], model: Model, tmp_path: Path) -> None:
    spoil(cases[:19])
    Path(cases[19].path).unlink()
    with pytest.raises(DataError) as caught:
        cohort_of(cases, extractor(model, Store(None)))
    assert str(caught.value) == (
        "the cohort leaves no case to train on (can't be used: damaged 19, missing 1): the file is cut off, or its "
        "elements or pixels can't be parsed; see fedgraft site check"
    )


def test_no_case_gives_empty_tensors(model: Model, tmp_path: Path) -> None:
    examples = load((), model, Store(tmp_path / "kept"))
    assert examples.inputs.shape == (0, model.width)
    assert examples.labels.shape == (0,)
    assert examples.labels.dtype == torch.int64


def test_a_cohort_is_split_by_patient(cases: tuple[Case, ...], model: Model, tmp_path: Path) -> None:
    plan = plan_of("test_resnet", "data.val_fraction=0.2", "data.test_fraction=0.2")
    counter = Counter()
    cohort = cohort_of(cases, extractor(model, Store(tmp_path / "kept"), counter, plan))
    assert list(cohort) == ["train", "val", "test"]
    sizes = {name: len(examples.labels) for name, examples in cohort.items()}
    assert sum(sizes.values()) == counter.cases == 20
    assert all(size % 2 == 0 and size > 0 for size in sizes.values())  # both pictures of a patient


def test_a_cohort_without_a_training_case_is_an_error(cases: tuple[Case, ...], model: Model, tmp_path: Path) -> None:
    tests = tuple(Case(case.path, case.label, case.patient, split="test") for case in cases)
    why = "no case to train on; the manifest's own `split` names none as train; a hospital that only tests"
    with pytest.raises(DataError, match=why):
        cohort_of(tests, extractor(model, Store(tmp_path / "kept")))


@pytest.mark.parametrize("folder", ["kept", None])
def test_sites_share_the_rows_of_a_store(
    cases: tuple[Case, ...], model: Model, tmp_path: Path, folder: str | None
) -> None:
    """Two sites with some cases in common: each is computed once, and both look into one array."""
    store, counter = Store(None if folder is None else tmp_path / folder), Counter()
    load(cases[:15], model, store, counter)
    load(cases[5:], model, store, counter)
    assert counter.cases == 20
    first, second = load(cases[:15], model, store), load(cases[5:], model, store)
    assert first.stored is second.stored
    assert torch.equal(first.inputs[5:], second.inputs[:10])
    assert (tmp_path / "kept").exists() == (folder is not None)


def test_half_precision_takes_half_the_space_and_is_near(cases: tuple[Case, ...], model: Model, tmp_path: Path) -> None:
    """float16 has 11 bits: a relative 2^-11."""
    plan = plan_of("test_resnet", "backbone.keep_as=float16")
    whole = load(cases, model, Store(tmp_path / "kept"))
    half = all_of(extractor(model, Store(tmp_path / "kept"), plan=plan), cases)
    assert half.stored.element_size() * 2 == whole.stored.element_size()
    assert half.inputs.dtype == torch.float32
    torch.testing.assert_close(half.inputs, whole.inputs, rtol=2**-11, atol=1e-6)


def test_mixed_precision_is_near_and_not_mistaken_for_full(
    cases: tuple[Case, ...], model: Model, tmp_path: Path
) -> None:
    """bfloat16 has 8 bits; through five layers errors add up to a few percent of the largest feature."""
    plan, counter = plan_of("test_resnet", "backbone.precision=mixed"), Counter()
    whole = load(cases, model, Store(tmp_path / "kept")).inputs
    mixed = all_of(extractor(model, Store(tmp_path / "kept"), counter, plan), cases).inputs
    assert counter.cases == 20
    assert 0 < float((mixed - whole).abs().max()) < 0.05 * float(whole.abs().max())


@pytest.mark.parametrize("batch", [1, 3, 20, 100])
def test_the_size_of_a_batch_changes_nothing(cases: tuple[Case, ...], model: Model, tmp_path: Path, batch: int) -> None:
    one = extractor(model, Store(None), batch=batch)
    torch.testing.assert_close(all_of(one, cases).inputs, load(cases, model, Store(None)).inputs)
