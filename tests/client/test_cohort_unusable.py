"""A cohort of which some cases can't be used: they are left out, counted, and change nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedgraft.client.cohort import Keeper, ignore, load_cohort
from fedgraft.client.cohort_inputs import inputs_of
from fedgraft.client.image_inputs import Rules
from fedgraft.client.machine import choose
from fedgraft.client.manifest import Case
from fedgraft.client.store import Store
from fedgraft.common.errors import DataError
from fedgraft.common.model import build
from fedgraft.common.plan import Plan


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Case, ...]:
    """Twenty small pictures of ten patients, two each."""
    rng, paths = np.random.default_rng(0), [tmp_path / f"{number:02d}.png" for number in range(20)]
    for path in paths:
        Image.fromarray(rng.integers(256, size=(20, 24), dtype=np.uint8)).save(path)
    return tuple(Case(str(path), ("clear", "lesion")[n // 2 % 2], f"patient-{n // 2}") for n, path in enumerate(paths))


Start = Callable[..., Keeper]


@pytest.fixture
def keeper(compose_plan: Callable[..., Plan]) -> Start:
    """A start of a site with a fifth of its cases to validate and a fifth to test; what it computes is counted."""
    plan, store = compose_plan("data.val_fraction=0.2", "data.test_fraction=0.2"), Store(None)
    model = build(plan, None)

    def started(computed: Callable[[int], None] = ignore) -> Keeper:
        inputs = inputs_of(plan, model.spec, Rules(), store, 0, ignore)
        return Keeper(plan, model, "d" * 64, inputs, store, choose("cpu", 1), computed)

    return started


def damage(cases: tuple[Case, ...]) -> None:
    for case in cases:
        Path(case.path).write_bytes(b"nothing")


def test_examples_of_cases_that_can_not_be_used_are_an_error_that_names_no_file(
    cases: tuple[Case, ...], keeper: Start
) -> None:
    Path(cases[4].path).unlink()
    damage(cases[5:7])
    with pytest.raises(DataError) as caught:
        keeper().examples(cases)
    assert str(caught.value) == "3 case(s) can't be used: damaged 2, missing 1"


def test_a_cohort_leaves_out_what_can_not_be_used_and_moves_no_other_case(
    cases: tuple[Case, ...], keeper: Start
) -> None:
    whole = load_cohort(cases, keeper())
    damage(cases[4:5])
    Path(cases[7].path).unlink()
    computed: list[int] = []
    left = load_cohort(cases, keeper(computed.append))
    assert sum(len(examples) for examples in left.values()) == 18
    assert computed == []
    for name, examples in left.items():
        usable = {tuple(row.tolist()) for row in examples.inputs}
        rows = whole[name].inputs[[tuple(row.tolist()) in usable for row in whole[name].inputs]]
        assert torch.equal(rows, examples.inputs)


def test_a_cohort_of_which_nothing_can_be_used_says_why(cases: tuple[Case, ...], keeper: Start) -> None:
    damage(cases[:19])
    Path(cases[19].path).unlink()
    with pytest.raises(DataError) as caught:
        load_cohort(cases, keeper())
    assert str(caught.value) == (
        "the cohort leaves no case to train on (can't be used: damaged 19, missing 1); lower data.val_fraction and "
        "data.test_fraction, or see fedgraft site check"
    )
