"""A coordinator sends weights that isolate patients, and reads their rows in the update."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from .conftest import Rows
from .coordinator import Curious

Hospital = Callable[..., tuple[Path, Rows]]
CLOSE = 0.9
MLP = ("head=mlp", "head.normalise=false", "head.hidden=60", "train.epochs=1", "train.batch_size=512")
FAST = ("train.lr=10", "train.momentum=0", "train.schedule=constant")


def open_site(site: Path) -> None:
    """A site that asks nothing of what leaves: as without the fence."""
    content = yaml.safe_load(site.read_text())
    content["release"] = {"min_patients": 1}
    site.write_text(yaml.safe_dump(content))


def bins(model_tensors: dict[str, Tensor], rows: Rows) -> dict[str, Tensor]:
    """Unit k fires for rows whose projection is above the k-th quantile (Fowl et al., ICLR 2022): the difference of two
    neighbours holds the rows between them. The quantiles are guessed from a normal distribution."""
    width = rows.shape[1]
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=width).astype(np.float32))
    direction /= direction.norm()
    units = len(model_tensors["head.hidden.weight"])
    at = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(units) + 0.5) / units)
    steep = 30.0
    chosen = {name: torch.zeros_like(tensor) for name, tensor in model_tensors.items()}
    chosen["head.hidden.weight"] = steep * direction.repeat(units, 1)
    chosen["head.hidden.bias"] = -steep * at
    chosen["head.output.weight"][0] = 1e-3
    return chosen


def found_rows(before: dict[str, Tensor], after: dict[str, Tensor], rows: Rows, name: str) -> int:
    """How many patients' rows are in the update's differences to what was sent, or in those of any two of them."""
    change = (after[name] - before[name]).double()
    one, other = torch.triu_indices(len(change), len(change), 1)
    candidates = torch.cat([change, change[one] - change[other]])
    return close_to(candidates.numpy(), rows)


def close_to(candidates: np.ndarray, rows: Rows) -> int:  # type: ignore[type-arg]
    """The number of rows to which a candidate has a correlation above `CLOSE`, of either sign."""
    candidates = candidates[np.ptp(candidates, axis=1) > 1e-12] if len(candidates) else candidates
    if not len(candidates):
        return 0
    both = [some - some.mean(axis=1, keepdims=True) for some in (candidates, rows.astype(np.float64))]
    one, other = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in both)
    return int((np.abs(one @ other.T).max(axis=0) > CLOSE).sum())


def guessed(rows: Rows) -> int:
    """Rows that are as close to what anyone knows who has the means of the columns by class."""
    sides = [rows[side].mean(axis=0) for side in (rows[:, 0] > 0, rows[:, 0] <= 0)]
    means = np.stack([rows.mean(axis=0), *sides, sides[0] - sides[1]])
    return close_to(means.astype(np.float64), rows)


@pytest.mark.parametrize("patients", [40, 150])
def test_trap_weights_read_rows_without_the_fence_and_none_with_it(
    hospital: Hospital, curious: Callable[..., Curious], patients: int
) -> None:
    site, rows = hospital(patients)
    one = curious(site, *MLP, *FAST)
    one.prepare()
    chosen = bins(one.model.tensors(one.model.received), rows)
    update = one.train(chosen, 1)
    if isinstance(update, str):
        said = json.loads((site.parent / "state" / "errors.jsonl").read_text().splitlines()[-1])["said"]
        assert update == "few-cases" and "trained units rest on fewer than 5 patients" in said
        assert "or differ by one, bounds.below=0.5: nothing was sent" in said
    else:
        assert update.held_back > 10 and found_rows(chosen, update.tensors, rows, "head.hidden.weight") == 0

    open_site(site)
    other = curious(site, *MLP, *FAST)
    other.prepare(run=2)
    update = other.train(chosen, 1, run=2)
    assert not isinstance(update, str)
    assert found_rows(chosen, update.tensors, rows, "head.hidden.weight") > 10


def test_a_few_traps_among_honest_units_are_set_back_and_counted(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    site, rows = hospital(150)
    one = curious(site, *MLP, *FAST)
    one.prepare()
    honest = one.model.tensors(one.model.received)
    honest["head.output.weight"][0] = 1e-3
    traps = bins(honest, rows)
    chosen = {name: tensor.clone() for name, tensor in honest.items()}
    for name in ("head.hidden.weight", "head.hidden.bias"):
        chosen[name][-12:] = traps[name][-12:]
    update = one.train(chosen, 1)
    assert not isinstance(update, str)
    change = (update.tensors["head.hidden.weight"] - chosen["head.hidden.weight"]).norm(dim=1)
    columns = (update.tensors["head.output.weight"] - chosen["head.output.weight"]).norm(dim=0)
    held = change == 0
    assert 0 < update.held_back <= int(held.sum()) and not held[:-12].any()
    assert bool((columns[held] == 0).all()) and bool((columns[:-12] > 0).all())
    assert found_rows(chosen, update.tensors, rows, "head.hidden.weight") <= guessed(rows)
    line = json.loads((site.parent / "state" / "released.jsonl").read_text().splitlines()[-1])
    assert line["held_back"] == {"hidden": update.held_back}


def test_units_that_sleep_at_first_are_found_when_they_wake(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    """The output weights are 0, so that no hidden unit has a gradient in the first step; they have in the second."""
    site, rows = hospital(40)
    one = curious(site, *MLP[:3], *FAST, "train.epochs=2", "train.batch_size=512")
    one.prepare()
    chosen = bins(one.model.tensors(one.model.received), rows)
    chosen["head.output.weight"].zero_()
    found = one.train(chosen, 1)
    assert found == "few-cases" or found_rows(chosen, found.tensors, rows, "head.hidden.weight") <= guessed(rows)  # type: ignore[union-attr]


def test_a_saturated_head_is_refused(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    """One linear layer whose outputs are sure of all patients but one: the gradient is that patient's row."""
    site, rows = hospital(40)
    one = curious(site, "train.epochs=1", "train.batch_size=512", *FAST)
    one.prepare()
    chosen = {name: torch.zeros_like(tensor) for name, tensor in one.model.tensors(one.model.received).items()}
    side = torch.zeros(rows.shape[1])
    side[:2] = 100.0  # the label is the sign of the sum of the first two columns
    chosen["head.weight"][:] = torch.stack([-side, side])
    assert one.train(chosen, 1) == "few-cases"


def test_a_head_that_is_unsure_of_one_patient_gets_an_update_in_which_it_is_shortened(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    """Moderately sure, so that the others give a little: it would be refused, or tell that one's row."""
    site, rows = hospital(40)
    words = ("train.epochs=1", "train.batch_size=512", *FAST)
    one, target = curious(site, *words), 7
    one.prepare()
    chosen = {name: torch.zeros_like(tensor) for name, tensor in one.model.tensors(one.model.received).items()}
    margins = np.where(rows[:, :2].sum(axis=1) > 0, 2.0, -2.0)  # of the second class, half the logits' difference
    margins[target] *= -1
    side = torch.from_numpy(np.linalg.lstsq(rows.astype(np.float64), margins, rcond=None)[0]).float()
    chosen["head.weight"][:] = torch.stack([-side, side])
    update = one.train(chosen, 1)
    assert not isinstance(update, str)
    assert close_to((update.tensors["head.weight"] - chosen["head.weight"]).numpy(), rows) == 0
    line = json.loads((site.parent / "state" / "released.jsonl").read_text().splitlines()[-1])
    assert line["shortened_patients"] >= 1

    strict = yaml.safe_load(site.read_text()) | {"bounds": {"clip_patients": False}}
    site.write_text(yaml.safe_dump(strict))
    refused = curious(site, *words)
    refused.prepare(run=2)
    assert refused.train(chosen, 1, run=2) == "few-cases"

    open_site(site)
    other = curious(site, *words)
    other.prepare(run=3)
    update = other.train(chosen, 1, run=3)
    assert not isinstance(update, str)
    assert close_to((update.tensors["head.weight"] - chosen["head.weight"]).numpy(), rows) == 1


def test_a_step_of_one_patient_after_which_all_is_sure_is_refused(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    """A batch of one at a huge rate: the update rests on the patients of the first steps."""
    site, _ = hospital(40)
    one = curious(site, "train.epochs=1", "train.batch_size=1", *FAST)
    one.prepare()
    found = one.train(one.model.tensors(one.model.received), 1)
    assert isinstance(found, str) or found.held_back == 0
