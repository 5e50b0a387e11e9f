"""What ``privacy=record`` refuses by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.privacy_section import without_later


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy=fedadam",), "set strategy=fedavg or fedprox, or strategy=exact"),
        (("features.scale=common",), "set features.scale=case_common, or case"),
        (("features.scale=own",), "set features.scale=case_common, or case"),
        (("features.keep=20",), r"set features\.keep=null"),
        (("release.evaluation=true",), r"set release\.evaluation=false, and measure on cases of the coordinator's own"),
        (("release.train_loss=true",), r"set release\.train_loss and release\.quarantine to false"),
        (("privacy.evaluation=0.5",), r"and release\.evaluation=false withholds them; set it to true"),
        (("privacy=record_evaluated", "data.val_fraction=0", "data.test=coordinator"), "over cases that no site has"),
        (
            ("privacy=record_evaluated", "calibration=platt", "calibration.by_site=true"),
            r"set calibration\.by_site=false",
        ),
        (("privacy=record_evaluated", "decide.by_site=own"), r"set decide\.by_site=pooled"),
        (("privacy.evaluation=1.5",), r"privacy\.evaluation=1\.5"),
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
        (("aggregation=secure", "strategy.precision=float32"), r"set strategy\.precision=float64"),
        (("privacy.counts=0.5", "privacy.moments=0.5"), "set their sum below 1"),
        (("privacy.delta=0.5",), r"privacy\.delta=0\.5"),
        (("privacy.unit=none", "privacy.epsilon=1"), "options of privacy have no effect"),
    ],
)
def test_what_has_no_noise_is_refused(compose_plan: Callable[..., Plan], words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        compose_plan("privacy=record", *words)


def test_the_digest_of_a_plan_that_tells_no_figures_is_that_of_older_plans(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("privacy=record")
    assert "evaluation" not in without_later(plan.to_dict()["privacy"])
    assert compose_plan("privacy=record_evaluated").digest != plan.digest


def test_a_digest_without_privacy_is_that_of_older_plans(compose_plan: Callable[..., Plan]) -> None:
    assert compose_plan().to_dict()["privacy"]["unit"] == "none"
    assert compose_plan().digest != compose_plan("privacy=record").digest
