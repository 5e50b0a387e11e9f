"""A film is gone in mid-run: the hospital goes on over those who took part, by what is kept of it, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.messages import Update
from fedgraft.simulations.federation.sites import lay_out

from .coordinator import Curious

WORDS = (
    "rounds=9",
    "calibration=none",
    "decide.unseen=null",
    "augment.views=2",
    "augment.rotate=5",
    "loss.weights=none",
)


class Hospital:
    """A hospital of the phantom with films of its own, of which each message is answered by a new process."""

    def __init__(self, site: Path, plan: Plan, keep: str) -> None:
        self.site, self.plan = site, plan
        manifest = site.parent / yaml.safe_load(site.read_text())["manifest"]
        text = manifest.read_text(encoding="utf-8")
        films = site.parent / "films"
        films.mkdir()
        for number, path in enumerate(sorted({case.path for case in read_manifest(manifest)}, key=len, reverse=True)):
            own = films / f"{number:03d}{Path(path).suffix}"
            shutil.copy(path, own)
            text = text.replace(path, str(own))
        manifest.write_text(text, encoding="utf-8")
        content = yaml.safe_load(site.read_text())
        release = {**content.get("release", {}), "min_patients": 5, "min_count": 5}
        site.write_text(
            yaml.safe_dump(content | {"release": release, "keep": keep, "store": str(site.parent / "kept")})
        )
        self.first = self.asked()
        self.first.prepare()

    def asked(self) -> Curious:
        return Curious(self.site, self.plan)

    def lose(self) -> None:
        """One training film can't be read any more."""
        session = self.first.workspace.open(self.site, self.plan.digest, 1)
        Path(session.accepted.splits["train"].cases[3].path).unlink()

    def start(self) -> dict[str, Tensor]:
        model = self.first.model
        return model.tensors(model.received)


@pytest.fixture
def hospital(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Hospital]:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def made(name: str, keep: str = "disk") -> Hospital:
        plan = compose_plan(*WORDS)
        return Hospital(next(iter(lay_out(plan, tmp_path / name, os.environ).sites.values())), plan, keep)

    return made


def moved(update: Update | str) -> dict[str, Tensor]:
    assert isinstance(update, Update), update
    return update.tensors


def test_the_run_goes_on_over_the_same_patients(hospital: Callable[..., Hospital]) -> None:
    whole, loses = hospital("whole"), hospital("loses")
    sent = whole.start()
    for one in (whole, loses):
        moved(one.asked().train(sent, 1))
    loses.lose()
    later = [moved(one.asked().train(sent, 2)) for one in (whole, loses)]
    assert all(torch.equal(later[0][name], later[1][name]) for name in sent)
    first, again = loses.first.prepare(), loses.asked().prepare()
    assert not isinstance(first, str) and not isinstance(again, str)
    assert (again.examples, again.class_counts, again.quarantined) == (first.examples, first.class_counts, {})
    other = loses.asked().prepare(run=2)
    assert not isinstance(other, str)
    assert other.examples <= first.examples - 5, "another run is without that patient, and four more rest"


@pytest.mark.parametrize("keep", ["memory", "disk"])
def test_where_nothing_is_kept_nothing_is_told(hospital: Callable[..., Hospital], keep: str) -> None:
    one = hospital("one", keep)
    moved(one.asked().train(one.start(), 1))
    one.lose()
    if keep == "disk":
        shutil.rmtree(one.site.parent / "kept" / "kept")
    assert one.asked().train(one.start(), 2) == "case-lost"
    assert one.asked().prepare() == "case-lost"
