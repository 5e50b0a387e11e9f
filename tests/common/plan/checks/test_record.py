"""What ``privacy=record`` refuses by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy=fedavg",), "set strategy=exact"),
        (("features.scale=common",), "set features.scale=case_common, or case"),
        (("features.scale=own",), "set features.scale=case_common, or case"),
        (("features.keep=20",), r"set features\.keep=null"),
        (("release.evaluation=true",), "to false, and measure on cases of the coordinator's own"),
        (("release.train_loss=true",), "to false, and measure on cases of the coordinator's own"),
        (("release.class_counts=false", "loss.weights=none"), r"set release\.class_counts=true"),
        (("loss.weights=local",), "class counts are its other patients' too"),
        (("augment=mild",), "set augment=none"),
        (("calibration=platt",), "set calibration=none"),
        (("decide.unseen=0.05",), r"set decide\.unseen=null"),
        (("audit.columns=[sex]",), r"set audit\.columns=\[\]"),
        (("select=best",), "set select=last"),
        (("initial=ridge",), "set initial=none"),
        (("personal=intercept",), "set personal=none"),
        (("hold_out=[alder]",), r"set hold_out=\[\]"),
        (("harmonise=histogram",), r"give harmonise\.reference, or set harmonise=none"),
        (("rounds=200",), r"set privacy\.steps to rounds or more"),
        (("aggregation=secure",), r"set strategy\.precision=float64"),
        (("privacy.counts=0.5", "privacy.moments=0.5"), "set their sum below 1"),
        (("privacy.delta=0.5",), r"privacy\.delta=0\.5"),
        (("privacy.unit=none", "privacy.epsilon=1"), "options of privacy have no effect"),
    ],
)
def test_what_has_no_noise_is_refused(compose_plan: Callable[..., Plan], words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        compose_plan("privacy=record", *words)


def test_a_digest_without_privacy_is_that_of_older_plans(compose_plan: Callable[..., Plan]) -> None:
    assert compose_plan().to_dict()["privacy"]["unit"] == "none"
    assert compose_plan().digest != compose_plan("privacy=record").digest
