"""What ``privacy=site`` refuses by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy=exact",), "set strategy=fedavg or fedprox"),
        (("strategy=fedadam",), "set strategy=fedavg or fedprox"),
        (("release.evaluation=true",), r"set release\.train_loss, release\.evaluation, release\.class_counts and"),
        (("loss.weights=global",), r"set loss\.weights and loss\.prior to local or none"),
        (("features.scale=common",), r"set features\.scale=case, own with features\.shrink=0, or none"),
        (("features.keep=20",), r"features\.keep=null"),
        (("initial=ridge",), "set initial=none"),
        (("alignment=coral",), "set alignment=none"),
        (("personal=fedper",), "set personal=none"),
        (("backbone.batch_norm=train", "backbone.freeze=none"), r"set backbone\.batch_norm=eval"),
        (("compression=int8",), "set compression=none"),
        (("bounds.clip=2",), "leave bounds out"),
        (("calibration=platt",), "set calibration=none"),
        (("decide.unseen=0.05",), r"set decide\.unseen=null"),
        (("audit.columns=[sex]",), r"set audit\.columns=\[\]"),
        (("select=best",), "set select=last"),
        (("hold_out=[alder]",), r"set hold_out=\[\]"),
        (("harmonise=histogram",), r"give harmonise\.reference, or set harmonise=none"),
        (("aggregation=secure", "strategy.fraction=0.5"), r"set strategy\.fraction=1"),
        (("aggregation=secure", "aggregation.norm=5"), r"aggregation\.norm has no effect with privacy=site"),
        (("privacy.steps=7",), r"only privacy\.epsilon, delta and clip have an effect"),
        (("rounds=0",), "has no effect with rounds=0; leave it out"),
    ],
)
def test_what_has_no_noise_is_refused(compose_plan: Callable[..., Plan], words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        compose_plan("privacy=site", *words)


def test_a_table_needs_ranges_of_its_own(table_plan: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match=r"privacy=site has no noise for the statistics .* set table\.statistics=plan"):
        table_plan("privacy=site", "features=last")
