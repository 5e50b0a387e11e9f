"""Checks of ``augment`` and ``harmonise``."""

from __future__ import annotations

from typing import Any

from fedgraft.common.plan.types import Check

HARMONISE_CHECKS: tuple[Check, ...] = (
    Check(
        ("harmonise",),
        lambda p: p.harmonise.target is None and bool(p.harmonise.reference),
        "harmonise.reference has no effect with harmonise=none; choose harmonise=histogram or another, or set it to []",
    ),
    Check(
        ("harmonise", "table"),
        lambda p: p.harmonise.target is not None and p.table is not None,
        "harmonise is for images and has no effect on a table, whose columns table.statistics scales; use "
        "harmonise=none",
    ),
)


STRENGTHS = ("rotate", "shift", "zoom", "brightness", "contrast", "flip", "gamma", "noise", "blur", "erase", "mirror")
"""The options of ``augment`` by which a view differs from its case."""
MIXES = ("mixup", "cutmix")
"""The options of ``augment`` that mix two cases."""
_WIDEST_BLUR = 0.2


MIRROR_CHECKS = (
    Check(
        ("augment",),
        lambda p: p.augment.mirror and p.augment.views % 2 == 1 and p.augment.views > 1,
        "augment.mirror makes pairs of views: set augment.views to an even number",
    ),
    Check(
        ("augment",),
        lambda p: p.augment.mirror and p.augment.flip,
        "augment.flip has no effect beside augment.mirror, by which every view is there both ways; set it to false",
    ),
)
AVERAGE_CHECK = Check(
    ("augment",),
    lambda p: p.augment.average and p.augment.views == 1,
    "augment.average has no effect with augment.views=1, the case as it is; set augment.views to 2 or more",
)

NOTES_CHECKS = (
    Check(
        ("augment",),
        lambda p: p.augment.notes.on and p.augment.views == 1,
        "augment.notes has no effect with augment.views=1, the note as it is; set augment.views to 2 or more",
    ),
    Check(
        ("augment",),
        lambda p: p.augment.notes.on and any(getattr(p.augment, name) for name in STRENGTHS),
        "augment.notes changes notes, and the other strengths of augment change images; set one of the two to 0",
    ),
    Check(
        ("augment",),
        lambda p: not p.augment.notes.on and not p.augment.notes.guard,
        "augment.notes.guard=false has no effect without copies of notes; set it to true",
    ),
    Check(
        ("augment",),
        lambda p: not p.augment.notes.synonyms and p.augment.notes.senses != "shared",
        "augment.notes.senses=every has no effect with augment.notes.synonyms=0; set it to shared",
    ),
)


def _needs_views(name: str) -> Check:
    def wrong(plan: Any) -> bool:
        return plan.augment.views == 1 and bool(getattr(plan.augment, name))

    text = f"augment.{name} has no effect with augment.views=1, the case as it is; set augment.views to 2 or more"
    return Check(("augment",), wrong, text)


def _mixing_checks(name: str) -> tuple[Check, ...]:
    """Options that exclude ``augment.mixup`` or ``augment.cutmix``."""

    def mixes(plan: Any) -> bool:
        return bool(getattr(plan.augment, name) > 0)

    option = f"augment.{name}"
    return (
        Check(
            ("augment", "train"),
            lambda p: mixes(p) and p.train.batch_size == 1,
            f"{option} has no effect with train.batch_size=1: cases of one batch are mixed; use 2 or more",
        ),
        Check(
            ("augment", "engine"),
            lambda p: mixes(p) and not p.engine.keep,
            f"{option} mixes what is kept of the cases; with engine.keep=false it would mix images, and the result "
            "would depend on the engine; set engine.keep=true",
        ),
        Check(
            ("augment", "loss"),
            lambda p: mixes(p) and p.loss.absent == "distil",
            f"{option} would compare outputs of mixed cases to the received model's outputs of whole ones with "
            f"loss.absent=distil; set {option}=0 or loss.absent=mask",
        ),
    )


AUGMENT_CHECKS = (
    AVERAGE_CHECK,
    *MIRROR_CHECKS,
    Check(
        ("augment",),
        lambda p: (
            p.augment.views > 1 and not (p.augment.notes.on or any(getattr(p.augment, name) for name in STRENGTHS))
        ),
        "augment.views above 1 has no effect with every strength at 0; set one of "
        f"{', '.join(f'augment.{name}' for name in STRENGTHS)}, for notes augment=notes, or augment.views=1",
    ),
    *NOTES_CHECKS,
    *(_needs_views(name) for name in STRENGTHS),
    Check(
        ("augment",),
        lambda p: p.augment.blur > _WIDEST_BLUR,
        f"augment.blur is in parts of the image's side, of which more than {_WIDEST_BLUR} leaves nothing to see; 0.01 "
        "is a pixel of 100",
    ),
    *(check for name in MIXES for check in _mixing_checks(name)),
)
