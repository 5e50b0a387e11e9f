"""A site with too few training patients is treated as one that is held out, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.attendance import attendance
from fedgraft.server.reports.summary import summary


def least(name: str, patients: int) -> Callable[[Path], None]:
    """Gives one site another ``min_patients``."""

    def edit(folder: Path) -> None:
        if folder.name == name:
            site = yaml.safe_load((folder / "site.yaml").read_text())
            site["release"]["min_patients"] = patients
            (folder / "site.yaml").write_text(yaml.safe_dump(site))

    return edit


def test_a_site_with_too_few_patients_trains_nothing_evaluates_and_is_named(
    compose_plan: Callable[..., Plan], federate: Callable[..., Any]
) -> None:
    plan = compose_plan("rounds=1")
    found = federate(plan, edit=least("birch", 500), out="few")
    held = federate(compose_plan("rounds=1", "hold_out=[birch]"), out="held")
    assert all(torch.equal(tensor, held.outcome.shared[name]) for name, tensor in found.outcome.shared.items())
    assert found.outcome.rounds[1].sites == ("alder", "cedar")
    assert "test" in found.outcome.final.by_site["birch"]
    line = [one for one in found.ledger.entries if one.what == "prepare" and one.site == "birch"][-1]
    assert (line.outcome, line.examples) == ("ok", 0)
    assert "takes no part in training (few-patients)" in line.reason and "min_count" in line.reason
    told = summary(plan, found.outcome, found.ledger, 1.0)
    assert (told["held_out"], told["abstaining"]) == (["birch"], {"birch": "few-patients"})
    assert attendance(plan, found.outcome, found.ledger) == [
        "1 site with fewer training patients than the site's own min_count took no part in training, and evaluated the "
        "final model: birch"
    ]
