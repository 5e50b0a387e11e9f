"""Options without an effect on the labels end a study before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fedgraft as fg

pytestmark = pytest.mark.usefixtures("own_cache")


def source(folder: Path, ill: int) -> fg.Source:
    """Two hospitals of 40 rows each, of which ``ill`` and 20 are ill."""
    frame: dict[str, Any] = {
        "age": list(range(80)),
        "hospital": ["north"] * 40 + ["south"] * 40,
        "ill": ["yes"] * ill + ["no"] * (40 - ill) + ["yes"] * 20 + ["no"] * 20,
    }
    return fg.Source.from_frame(frame, label="ill", site="hospital", numeric=["age"], folder=folder / "frames")


@pytest.mark.parametrize("against", [[], ["strategy=fedavg"]])
def test_equal_classes_are_refused_before_the_first_training(tmp_path: Path, against: list[str]) -> None:
    plan = fg.plan(source=source(tmp_path, 20), rounds=1, engine__threads=1)
    with pytest.raises(fg.PlanError, match=r"seed 3, federated: loss.weights=global has no effect: over all sites"):
        fg.study(plan, [] if against else ["local"], seeds=[3, 4], out=tmp_path / "study", against=against, quiet=True)
    assert not (tmp_path / "study" / "runs").exists()


def test_a_rival_without_an_effect_is_named(tmp_path: Path) -> None:
    plan = fg.plan(source=source(tmp_path, 20), rounds=1, loss__weights="none", engine__threads=1)
    with pytest.raises(fg.PlanError, match=r"against, weights=local: loss.weights=local has no effect: at every"):
        fg.study(plan, [], seeds=[3], out=tmp_path / "study", against=["loss.weights=local"], quiet=True)
    assert not (tmp_path / "study" / "runs").exists()


def test_other_counts_go_on(tmp_path: Path) -> None:
    plan = fg.plan(source=source(tmp_path, 10), rounds=1, engine__threads=1)
    assert fg.study(plan, ["local"], seeds=[3], out=tmp_path / "study", quiet=True).summary["seeds"] == [3]
