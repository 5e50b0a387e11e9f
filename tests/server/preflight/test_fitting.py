"""A plan against what sites tell of themselves: what does not fit is named by site, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.site_facts import WIRE, SiteFacts
from fedgraft.server.deployment.folder import RegisteredSite
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.preflight.fitting import (
    Fit,
    Misfit,
    examine,
    left_out,
    misfit_table,
    not_known,
    require_quorum,
    size,
    would_run,
)
from fedgraft.server.preflight.needs import Needs, needs_of

NEEDS = Needs("1.2.3", WIRE, "rows", "a row of the table", ("label", "age", "sex"), (), 4_000, 100)
GOOD = SiteFacts("1.2.0", WIRE, "rows", 120, ("age", "label", "patient", "sex"), 10_000_000, ())
NOW = 1_000_000.0


def fits(told: SiteFacts | None, needs: Needs = NEEDS, received: float = NOW - 20, state: str = "online") -> Fit:
    announced = {} if told is None else {"north": Announced(received, told)}
    (found,) = examine(needs, [RegisteredSite("north", "7", "SHA256:x")], {"7": state}, announced, NOW)
    return found


def said(told: SiteFacts, needs: Needs = NEEDS) -> list[str]:
    return [one.what for one in fits(told, needs).misfits]


def test_a_plan_that_fits() -> None:
    assert fits(GOOD).misfits == ()
    assert left_out([fits(GOOD)], None, anyway=False) == {}  # type: ignore[arg-type]


def test_each_thing_that_can_be_wrong_has_its_line() -> None:
    assert said(replace(GOOD, fedgraft="1.1.9")) == [
        f"has fedgraft 1.1.9 (wire {WIRE}), the coordinator 1.2.3 (wire {WIRE})"
    ]
    assert said(replace(GOOD, wire=WIRE + 1))[0].startswith(f"has fedgraft 1.2.0 (wire {WIRE + 1})")
    assert said(replace(GOOD, kind=None)) == ["its manifest can't be read"]
    assert said(replace(GOOD, kind="files", columns=())) == [
        "a case of the plan is a row of the table, of its manifest a file or an array"
    ], "then its columns do not matter"
    assert said(replace(GOOD, columns=("label", "patient"))) == ["lacks the column(s) age, sex"]
    assert said(GOOD, replace(NEEDS, columns=tuple("abcdefg"))) == ["lacks the column(s) a, b, c, d, e and 2 more"]
    assert said(GOOD, replace(NEEDS, packages=("lungs.parts",))) == ["does not allow parts from lungs.parts"]
    assert said(replace(GOOD, allow=("lungs",)), replace(NEEDS, packages=("lungs.parts",))) == []
    assert len(said(replace(GOOD, fedgraft="2.0", kind=None))) == 2, "all at once"


def test_what_a_site_does_not_tell_is_no_reason() -> None:
    assert said(replace(GOOD, cases=None, columns=None, room=None)) == []


@pytest.mark.parametrize(("room", "cases", "short"), [(10_000, 120, False), (10_000, 160, True), (9_000, 120, True)])
def test_room_is_short_only_if_that_is_certain(room: int, cases: int, short: bool) -> None:
    """4,000 bytes and 100 a case: 16,000 and 20,000. 10,000 told means less than 20,000; 9,000 less than 10,000."""
    found = said(replace(GOOD, room=room, cases=cases))
    assert bool(found) is short
    if short:
        assert found[0].startswith("its store can hold about ") and "the plan keeps at least " in found[0]


def test_of_those_who_are_away_or_told_nothing_lately_nothing_is_known() -> None:
    bad = replace(GOOD, kind="files")
    assert fits(bad, received=NOW - 179).misfits and fits(bad, received=NOW - 181).misfits == ()
    assert fits(bad, state="offline").misfits == ()
    assert not_known([fits(None), fits(bad, state="offline")]) == (
        "not known whether the plan fits: north (told nothing in the last 3 minutes)"
    )
    assert not_known([fits(GOOD)]) == ""


def test_nothing_is_submitted_but_with_anyway_to_those_that_fit(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan()
    bad = fits(replace(GOOD, kind="files"))
    south = Fit(RegisteredSite("south", "8", "SHA256:y"), True, GOOD)
    with pytest.raises(DeploymentError) as caught:
        left_out([bad, south], plan, anyway=False)
    assert str(caught.value).splitlines() == [
        "nothing was submitted: the plan does not fit 1 site(s)",
        *misfit_table([bad]).splitlines(),
        "with --anyway it is submitted to those that it fits",
    ]
    head, line = misfit_table([bad, south]).splitlines()
    assert head.split("  ")[0] == "site" and head.endswith("what to do")
    assert line.startswith("north") and "another plan for this site" in line
    assert left_out([bad, south], plan, anyway=True) == {"7": "north"}
    with pytest.raises(DeploymentError, match="the plan fits none of the sites that are online"):
        left_out([bad, replace(south, online=False)], plan, anyway=True)
    with pytest.raises(DeploymentError, match="the plan holds out north, which it does not fit"):
        left_out([bad, south], replace(plan, hold_out=("north",)), anyway=True)


def test_a_quorum_above_the_registered_sites_is_refused(compose_plan: Callable[..., Plan]) -> None:
    north, south = fits(GOOD), Fit(RegisteredSite("south", "8", "SHA256:y"), False, None)
    plan = compose_plan("patience.quorum_sites=5")
    with pytest.raises(DeploymentError) as caught:
        require_quorum([north, south], plan, anyway=False)
    assert str(caught.value) == (
        "nothing was submitted: patience.quorum_sites=5 are needed to train, and 2 are registered for it (north, "
        "south); a smaller quorum, or invite more; with --anyway it is submitted, and waits for them"
    )
    require_quorum([north, south], plan, anyway=True)
    two = replace(plan, patience=replace(plan.patience, quorum_sites=2))
    require_quorum([north, south], two, anyway=False)
    with pytest.raises(DeploymentError, match=r"=2 are needed to train, and 1 are registered for it \(north\)"):
        require_quorum([north, south], replace(two, hold_out=("south",)), anyway=False)


def test_where_it_would_run_now(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("patience.quorum_sites=2")
    north = fits(GOOD)
    south = Fit(RegisteredSite("south", "8", "SHA256:y"), False, None)
    assert would_run([north, replace(south, online=True)], plan) == "it would run on: north, south"
    assert would_run([north, south], plan) == (
        "it would run on: north; not online now, and asked once they are: south; it would wait: 1 to train online, "
        "patience.quorum_sites=2 are needed"
    )
    assert would_run([south], plan).startswith("it would run on: no site, since none is online; not online now")
    assert would_run([fits(replace(GOOD, kind=None)), replace(south, online=True)], plan).startswith(
        "it would run on: south; it would wait"
    )


def test_given_splits_need_their_column(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("data.test=given", "data.val_fraction=0", "data.test_fraction=0")
    needs = needs_of(plan)
    told = SiteFacts(needs.fedgraft, WIRE, "files", 60, ("label", "path", "patient"))
    (found,) = fits(told, needs).misfits
    assert found == Misfit(
        "its manifest lacks the column split, which data.test=given reads",
        "the site adds it (train, val or test in each line), or data.test=sites in the plan",
    )
    assert said(replace(told, columns=("label", "path", "split")), needs) == said(replace(told, columns=None), needs)
    assert needs_of(compose_plan()).given == ()


def test_needs_of_plans(compose_plan: Callable[..., Plan], table_plan: Callable[..., Plan]) -> None:
    image = needs_of(compose_plan())
    assert (image.kind, image.case, image.columns, image.packages) == ("files", "an image", ("label",), ())
    assert image.once > 100_000 and image.each > 0
    table = needs_of(table_plan())
    assert (table.kind, table.columns) == ("rows", ("label", "age", "pressure", "sex"))
    assert (table.once, table.each) == (0, 0), "the model depends on the sites' numbers"


def test_packages_of_parts_that_sites_build(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("strategy=fedadam")
    assert needs_of(plan).packages == (), "a strategy is the coordinator's"
    loss = replace(plan.loss, target="fedgraft.common.losses.focal.FocalLoss")
    assert needs_of(replace(plan, loss=loss)).packages == ()


def test_sizes() -> None:
    assert [size(n) for n in (12, 1_200, 34_000_000, 2_500_000_000)] == ["12 bytes", "1.2 kB", "34 MB", "2.5 GB"]
