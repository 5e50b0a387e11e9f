"""A site with too few training patients, or whose role is to evaluate, is treated as one held out, and named."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fedgraft.client.site.role import require_role_to_train
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import RoleError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.attendance import attendance
from fedgraft.server.reports.summary import summary

EXACT = ("features=taps", "head=plain", "loss.weights=none", "strategy=exact", "strategy.weakest=0.1")


def changed(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Changes one site's file."""

    def edit(folder: Path) -> None:
        if folder.name == name:
            site = yaml.safe_load((folder / "site.yaml").read_text())
            change(site)
            (folder / "site.yaml").write_text(yaml.safe_dump(site))

    return edit


FEW = changed("birch", lambda site: site["release"].update(min_patients=500))
EVALUATES = changed("birch", lambda site: site.update(role="evaluate"))
PREDICTS = changed("birch", lambda site: site.update(role="predict"))


@pytest.mark.parametrize(
    ("edit", "code", "named", "why"),
    [
        (FEW, "few-patients", "min_count", "fewer training patients than the site's own min_count"),
        (EVALUATES, "role", "another role than `train`", "another role than `train`"),
    ],
    ids=["few patients", "role"],
)
@pytest.mark.parametrize("words", [(), EXACT], ids=["trained", "exact"])
def test_it_trains_nothing_evaluates_and_is_named(
    compose_plan: Callable[..., Plan],
    federate: Callable[..., Any],
    words: tuple[str, ...],
    edit: Callable[[Path], None],
    code: str,
    named: str,
    why: str,
) -> None:
    plan = compose_plan("rounds=1", *words)
    found = federate(plan, edit=edit, out="few")
    held = federate(compose_plan("rounds=1", "hold_out=[birch]", *words), out="held")
    assert all(torch.equal(tensor, held.outcome.shared[name]) for name, tensor in found.outcome.shared.items())
    assert found.outcome.rounds[-1].sites == ("alder", "cedar")
    assert "test" in found.outcome.final.by_site["birch"]
    line = [one for one in found.ledger.entries if one.what == "prepare" and one.site == "birch"][-1]
    assert (line.outcome, line.examples) == ("ok", 0)
    assert f"takes no part in training ({code})" in line.reason and named in line.reason
    told = summary(plan, found.outcome, found.ledger, 1.0)
    assert (told["held_out"], told["abstaining"]) == (["birch"], {"birch": code})
    assert attendance(plan, found.outcome, found.ledger) == [
        f"1 site with {why} took no part in training, and evaluated the final model: birch"
    ]


def test_a_site_that_only_predicts_takes_no_part(
    compose_plan: Callable[..., Plan], federate: Callable[..., Any]
) -> None:
    plan = compose_plan("rounds=1", "patience.quorum_sites=2")
    found = federate(plan, edit=PREDICTS, out="predicts")
    assert sorted(found.outcome.offers) == ["alder", "cedar"]
    assert "birch" not in found.outcome.final.by_site
    (told,) = {one.reason for one in found.ledger.entries if one.site not in ("alder", "cedar")}
    assert "the site reported `role`" in told and "as `predict` it takes part in no run" in told


def test_what_rests_on_training_cases_is_refused_by_the_site_itself() -> None:
    for role, refused in (("train", False), ("evaluate", True), ("predict", True)):
        site = SiteFile("north", Path("m.csv"), Path("state"), role=role)
        with pytest.raises(RoleError, match=f"role: {role}") if refused else nullcontext():
            require_role_to_train(site)
