"""Checks of ``features``, and of a plan without rounds."""

from __future__ import annotations

from typing import Any

from fedgraft.common.plan.checks.transfer import starts_alike
from fedgraft.common.plan.prior import asks_prior
from fedgraft.common.plan.types import Check

_NOTHING_TRAINED = ("adaptation", "alignment", "personal", "sampling", "compression")


def _has_trained_parts(plan: Any) -> bool:
    trained = any(getattr(plan, name).target is not None for name in _NOTHING_TRAINED)
    return trained or plan.backbone.freeze != "all" or bool(plan.initial.interpolate) or plan.select == "best"


FEATURES_CHECKS: tuple[Check, ...] = (
    Check(
        ("features",),
        lambda p: p.features.shrink > 0 and not p.features.uses_own,
        "features.shrink has no effect unless a site's own moments are used (features.scale=own, own_balanced, "
        "centre, early or auto); set it to 0",
    ),
    Check(
        ("features",),
        lambda p: p.features.scale == "early" and p.features.target is None,
        "features.scale=early tells early depths from late ones, and features=last reads one only; read all "
        "(features=taps), or use own or common",
    ),
    Check(
        ("features", "data"),
        lambda p: p.features.scale in ("auto", "own_balanced") and p.data.task != "classification",
        "features.scale=auto and own_balanced look at the class of each case, and need data.task=classification; use "
        "common or own",
    ),
    Check(
        ("features", "loss", "initial", "sampling", "release"),
        lambda p: asks_prior(p) and not p.release.class_counts,
        "features.scale=own_balanced with hold_out needs release.class_counts=true: from the classes' shares in "
        "training a site without labels estimates its own; set it, or weigh classes equally (loss.weights=local), or "
        "use features.scale=own",
    ),
    Check(
        ("features", "release"),
        lambda p: p.features.scale == "auto" and not (p.release.evaluation and p.release.class_counts),
        "features.scale=auto needs release.evaluation=true and release.class_counts=true: it compares ridge heads on "
        "the sites' validation cases; use common or own",
    ),
    Check(
        ("features", "data"),
        lambda p: p.features.scale == "auto" and p.data.test != "given" and p.data.val_fraction == 0,
        "features.scale=auto needs validation cases to compare by; set data.val_fraction above 0, or use common or own",
    ),
    Check(
        ("features", "initial"),
        lambda p: p.features.scale == "auto" and p.initial.target is not None and starts_alike(p.initial),
        "features.scale=auto compares the heads that `initial` makes, and this one tells no classes apart; set "
        "initial=none (auto then compares ridge heads), ridge or prototypes, or features.scale to common or own",
    ),
    Check(
        ("features", "data"),
        lambda p: p.features.keep is not None and p.data.task != "classification",
        "features.keep ranks features by the one class of each case, and needs data.task=classification; set it to "
        "null",
    ),
    Check(
        ("features", "release"),
        lambda p: p.features.keep is not None and not p.release.class_counts,
        "features.keep needs release.class_counts=true: it ranks features by their sums in each class; set it to null",
    ),
    Check(
        ("features", "table"),
        lambda p: bool(p.features.networks) and p.table is not None,
        "features.networks are image networks, and this plan is for tables; set it to []",
    ),
    Check(
        ("features", "backbone"),
        lambda p: bool(p.features.networks) and p.backbone.freeze != "all",
        "features.networks are frozen: with backbone.freeze other than all they would not be; set backbone.freeze=all, "
        "or train one network (features.networks=[])",
    ),
    Check(
        ("features", "backbone"),
        lambda p: not p.backbone.pretrained and any(one.pretrained for one in p.features.networks),
        "backbone.pretrained=false would leave all features.networks random; set it to true, and `pretrained: false` "
        "for those of the networks that shall be random",
    ),
    Check(
        ("features", "adaptation"),
        lambda p: bool(p.features.networks) and p.adaptation.target is not None,
        "features.networks are read as they are, and an adaptation changes one network; set adaptation=none, or "
        "features.networks=[]",
    ),
    Check(
        ("features", "adapt"),
        lambda p: bool(p.features.networks) and p.adapt.target is not None,
        "features.networks are read as they are, and `adapt` changes one network; set adapt=none (features.scale=own "
        "suits a hospital that never trained), or features.networks=[]",
    ),
    Check(
        ("features", "backbone"),
        lambda p: bool(p.features.networks) and p.backbone.weights.endswith(".safetensors"),
        "backbone.weights has no effect with features.networks, each of which has its own `weights`; name the file "
        "there",
    ),
    Check(
        ("features", "adapt"),
        lambda p: p.features.uses_own and p.adapt.target is not None,
        "a site's own scale is that of the network before any training, and `adapt` changes the network afterwards; "
        "set adapt=none, or features.scale=common",
    ),
    Check(
        ("rounds", "augment"),
        lambda p: p.rounds == 0 and bool((p.augment.views > 1 and not p.augment.average) or _mixes(p.augment)),
        "rounds=0 trains nothing, so that augment.views (without augment.average), mixup and cutmix have no effect; "
        "set augment=none",
    ),
    Check(
        ("features", "data"),
        lambda p: bool(p.features.networks) and p.data.image_size is not None,
        "data.image_size has no effect with features.networks, each of which has its own `size`; set it to null",
    ),
    Check(
        ("rounds", "initial"),
        lambda p: p.rounds == 0 and starts_alike(p.initial),
        "rounds=0 trains nothing: it needs an initial head that tells classes apart (initial=ridge, prototypes or "
        "embeddings), or rounds of 1 or more",
    ),
    Check(
        ("rounds", *_NOTHING_TRAINED, "backbone", "initial", "select"),
        lambda p: p.rounds == 0 and _has_trained_parts(p),
        "rounds=0 trains nothing, so that adaptation, alignment, personal, sampling, compression, initial.interpolate, "
        "select=best and backbone.freeze have no effect; leave them out, or set rounds to 1 or more",
    ),
    Check(
        ("initial", "release"),
        lambda p: _chooses(p) and not p.release.evaluation,
        "initial.alpha of several numbers needs release.evaluation=true: the sites' validation cases choose one; give "
        "one number",
    ),
    Check(
        ("initial", "data"),
        lambda p: _chooses(p) and p.data.test != "given" and p.data.val_fraction == 0,
        "initial.alpha of several numbers needs validation cases to choose one by; set data.val_fraction above 0, or "
        "give one number",
    ),
)


def _mixes(augment: Any) -> bool:
    return bool(augment.mixup or augment.cutmix)


def _chooses(plan: Any) -> bool:
    alpha = plan.initial.options.get("alpha")
    return isinstance(alpha, list) and len(alpha) > 1
