"""Check a plan for options that contradict each other or would have no effect; checks of all themes are joined here."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from fedgraft.common.interfaces.codec import is_lossless
from fedgraft.common.plan.checks.adaptation import ALIGNMENT_CHECKS, PERSONAL_CHECKS
from fedgraft.common.plan.checks.audit import AUDIT_CHECKS, CONTRIBUTION_CHECKS, DISTANCE_CHECKS
from fedgraft.common.plan.checks.augmentation import AUGMENT_CHECKS, HARMONISE_CHECKS
from fedgraft.common.plan.checks.bounds import BOUNDS_CHECKS
from fedgraft.common.plan.checks.calibration import CALIBRATION_CHECKS
from fedgraft.common.plan.checks.decide import DECIDE_CHECKS
from fedgraft.common.plan.checks.exact import EXACT_CHECKS, path_contradictions
from fedgraft.common.plan.checks.features import FEATURES_CHECKS
from fedgraft.common.plan.checks.imbalance import LOSS_CHECKS
from fedgraft.common.plan.checks.privacy import PRIVACY_CHECKS
from fedgraft.common.plan.checks.record import RECORD_CHECKS
from fedgraft.common.plan.checks.secure import SECURE_CHECKS
from fedgraft.common.plan.checks.table import table_contradictions
from fedgraft.common.plan.checks.task import task_contradictions
from fedgraft.common.plan.checks.transfer import SELECT_CHECKS, TRANSFER_CHECKS, UNSEEN_CHECKS
from fedgraft.common.plan.ct_windows import PRESETS, is_window
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.protection.site_checks import SITE_CHECKS
from fedgraft.common.plan.protection.step_checks import STEP_CHECKS
from fedgraft.common.plan.types import Check

CHECKS = (
    Check(
        ("dicom",),
        lambda p: not is_window(p.dicom.window),
        f"dicom.window must be file, none, {', '.join(PRESETS)}, or CENTER/WIDTH with a width of 1 or more",
    ),
    Check(
        ("dicom",),
        lambda p: p.dicom.choice > 0 and p.dicom.window != "file",
        "dicom.choice has no effect unless dicom.window=file; set it to 0",
    ),
    Check(("data",), lambda p: len(set(p.data.classes)) != len(p.data.classes), "data.classes names a class twice"),
    Check(
        ("data",),
        lambda p: p.data.test == "sites" and p.data.test_fraction == 0,
        "data.test=sites needs data.test_fraction > 0, or there is nothing to test on",
    ),
    Check(
        ("data",),
        lambda p: p.data.test == "given" and (p.data.val_fraction, p.data.test_fraction) != (0, 0),
        "data.val_fraction and data.test_fraction have no effect with data.test=given; set both to 0",
    ),
    Check(
        ("data",),
        lambda p: p.data.val_fraction + p.data.test_fraction >= 1,
        "data.val_fraction + data.test_fraction must leave cases to train on (sum below 1)",
    ),
    Check(
        ("loss", "release"),
        lambda p: p.loss.weights == "global" and not p.release.class_counts,
        "loss.weights=global needs release.class_counts=true: the counts are summed over the sites",
    ),
    Check(
        ("train",),
        lambda p: p.train.optimizer == "adamw" and p.train.momentum != 0,
        "train.momentum has no effect with train.optimizer=adamw; set it to 0",
    ),
    Check(
        ("strategy",),
        lambda p: _at_most_zero(p.strategy.options.get("proximal_mu")),
        "strategy.proximal_mu must be above 0 to have an effect; without it use strategy=fedavg",
    ),
    Check(
        ("backbone",),
        lambda p: not p.backbone.pretrained and p.backbone.weights not in ("wheel", "timm", "none"),
        "backbone.weights names a file, but backbone.pretrained=false does not load it; change one of them",
    ),
    Check(
        ("backbone",),
        lambda p: p.backbone.freeze == "all" and p.backbone.batch_norm == "train",
        "backbone.batch_norm=train has no effect with backbone.freeze=all; free a stage, or use adaptation=fedbn",
    ),
    Check(
        ("engine",),
        lambda p: p.engine.name == "ray" and p.engine.together,
        "engine.together has no effect with engine=ray, which runs each site by itself; set it to false",
    ),
    Check(
        ("engine",),
        lambda p: p.engine.name == "ray" and p.engine.device.startswith("cuda:"),
        "engine.device with a number has no effect with engine=ray, which gives each process a GPU; use cuda",
    ),
    Check(
        ("engine",),
        lambda p: p.engine.name != "ray" and p.engine.address is not None,
        "engine.address has no effect with engine=inprocess; use engine=ray",
    ),
    Check(
        ("engine", "backbone"),
        lambda p: not p.engine.keep and (p.backbone.precision == "mixed" or p.backbone.keep_as != "float32"),
        "engine.keep=false computes nothing ahead, so that backbone.precision=mixed and backbone.keep_as=float16 would "
        "have another effect, or none; set precision to auto or float32 and keep_as to float32",
    ),
    Check(
        ("engine",),
        lambda p: p.engine.store == "memory" and not p.engine.keep,
        "engine.store=memory with engine.keep=false holds every image in memory and computes it anew; use disk",
    ),
    Check(
        ("tracking",),
        lambda p: p.tracking.name == "none" and p.tracking.folder is not None,
        "tracking.folder has no effect with tracking=none; use tracking=mlflow or tensorboard",
    ),
    Check(
        ("compression",),
        lambda p: p.compression.down != "exact" and _sends_exactly(p.compression),
        "compression.down rounds what sites train from, and an exact update would carry that rounding into the model; "
        "set compression.down=exact, or compression=float16, int8 or topk",
    ),
    *AUGMENT_CHECKS,
    *FEATURES_CHECKS,
    *TRANSFER_CHECKS,
    *ALIGNMENT_CHECKS,
    *PERSONAL_CHECKS,
    *PRIVACY_CHECKS,
    *RECORD_CHECKS,
    *SITE_CHECKS,
    *STEP_CHECKS,
    *LOSS_CHECKS,
    *HARMONISE_CHECKS,
    *SELECT_CHECKS,
    *UNSEEN_CHECKS,
    *EXACT_CHECKS,
    *CALIBRATION_CHECKS,
    *DECIDE_CHECKS,
    *AUDIT_CHECKS,
    *CONTRIBUTION_CHECKS,
    *DISTANCE_CHECKS,
    *BOUNDS_CHECKS,
    *SECURE_CHECKS,
)


def contradictions(sections: Mapping[str, Any]) -> list[str]:
    """A sentence for each contradiction among the sections that could be read."""
    plan = SimpleNamespace(**sections)
    found = [check.text for check in CHECKS if set(check.sections) <= set(sections) and check.wrong(plan)]
    return [*found, *task_contradictions(plan), *table_contradictions(plan), *path_contradictions(plan)]


def _sends_exactly(compression: Any) -> bool:
    return compression.target is None or is_lossless(ours(compression, "compression"))


def _at_most_zero(value: object) -> bool:
    return isinstance(value, int | float) and value <= 0
