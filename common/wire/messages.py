"""Pack and unpack the messages of a run as Flower records; no other room knows their keys.

Four exchanges: ``query.prepare`` (plan -> the site's offer, see `fedgraft.common.wire.offer`), ``query.backbone``
(frozen tensors, only to a site that lacks them), ``train`` (shared tensors -> update) and ``evaluate`` (shared
tensors -> evaluation). What is unpacked here comes from another machine: names, shapes, dtypes and finiteness are
checked, and nothing is unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.records import config_of, count_of, is_count, own_content, own_metrics, own_record, text_of
from fedgraft.common.wire import arrays

PREPARE, BACKBONE, TRAIN, EVALUATE = "query.prepare", "query.backbone", "train", "evaluate"
ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
SITE, PLAN, FROZEN, LOCAL_METRICS = "site", "plan", "backbone", "site-metrics"
EXAMPLES = "num-examples"
CLASS_COUNTS = "class-counts"
HELD_BACK = "held-back"
SPLITS = ("val", "test")


@dataclass(frozen=True)
class Spec:
    """A tensor's shape and torch dtype name (``float32``)."""

    shape: tuple[int, ...]
    dtype: str


Specs = Mapping[str, Spec]
Decode = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Instruction:
    """What a ``train`` or ``evaluate`` message holds besides its tensors.

    Attributes:
        plan_digest: of the plan that the message belongs to.
        round: counted from 1.
        class_counts: training cases by class over all sites; ``None`` unless the plan's loss needs them.
        proximal_mu: weight of the proximal term, set by Flower's FedProx; 0 for none.
    """

    plan_digest: str
    round: int
    class_counts: tuple[int, ...] | None
    proximal_mu: float


@dataclass(frozen=True)
class Update:
    """A site's answer to ``train``.

    Attributes:
        tensors: the trained tensors, on the CPU; on the wire, a codec's payload of them.
        examples: training cases.
        train_loss: mean loss per case; ``None`` if withheld.
        evaluations: of the model that the site received, by split.
        held_back: units of the tensors that are as they came, since they rest on too few patients.
    """

    site: str
    plan_digest: str
    round: int
    tensors: dict[str, Tensor]
    examples: int
    train_loss: float | None
    evaluations: dict[str, Evaluation]
    held_back: int = 0


def specs_of(tensors: Mapping[str, Tensor]) -> dict[str, Spec]:
    """Shapes and dtypes of tensors by name, which `unpack_tensors` checks against."""
    return {name: Spec(tuple(t.shape), _dtype_name(t.dtype)) for name, t in tensors.items()}


def pack_tensors(tensors: Mapping[str, Tensor]) -> ArrayRecord:
    """Pack named tensors, sorted by name, without copying: they must not be written to any more."""
    return arrays.record_of((name, tensors[name]) for name in sorted(tensors))


def unpack_tensors(record: ArrayRecord, specs: Specs) -> dict[str, Tensor]:
    """Unpack named tensors. They may share the message's memory and must not be written to.

    Raises:
        WireError: names differ from ``specs``, a shape or dtype is wrong, or a number is not finite.
    """
    held = dict(record.items())
    if held.keys() != specs.keys():
        missing, extra = specs.keys() - held.keys(), held.keys() - specs.keys()
        raise WireError(f"tensor names differ: {len(missing)} missing, {len(extra)} not in the plan")
    tensors = {name: _checked(name, held[name], specs[name]) for name in sorted(specs)}
    strange = arrays.newly_not_finite(held, tensors)
    if strange is not None:
        raise WireError(f"tensor {strange} holds a number that is not finite")
    return tensors


def unpack_any(record: ArrayRecord) -> dict[str, Tensor]:
    """Unpack tensors of any names and shapes; the caller must check them.

    Raises:
        WireError: an array can't be decoded.
    """
    return {name: torch.from_numpy(arrays.read("an array", array)) for name, array in record.items()}


def pack_prepare(plan_json: str, plan_digest: str, backbone_digest: str) -> RecordDict:
    """The content of a ``query.prepare`` message."""
    return RecordDict({PLAN: ConfigRecord({"json": plan_json, "digest": plan_digest, "backbone": backbone_digest})})


def unpack_prepare(content: RecordDict) -> tuple[str, str, str]:
    """``(plan as JSON, plan digest, backbone digest)``.

    Raises:
        WireError: one of them is missing.
    """
    record = config_of(content, PLAN)
    return text_of(record, "json"), text_of(record, "digest"), text_of(record, "backbone")


def pack_config(plan_digest: str, class_counts: tuple[int, ...] | None) -> ConfigRecord:
    """The config of a ``train`` message; Flower's strategy adds ``server-round``, and FedProx ``proximal-mu``."""
    config = ConfigRecord({"plan": plan_digest})
    if class_counts is not None:
        config[CLASS_COUNTS] = list(class_counts)
    return config


def pack_evaluate(
    shared: Mapping[str, Tensor], plan_digest: str, server_round: int, class_counts: tuple[int, ...] | None = None
) -> RecordDict:
    """The content of an ``evaluate`` message; ``class_counts`` if sites train before they evaluate (``personal``)."""
    config = pack_config(plan_digest, class_counts)
    config["server-round"] = server_round
    return RecordDict({ARRAYS: pack_tensors(shared), CONFIG: config})


def unpack_order(content: RecordDict) -> Instruction:
    """Read what a ``train`` or ``evaluate`` message asks for.

    Raises:
        WireError: a key is missing or ill-typed.
    """
    config = config_of(content, CONFIG)
    mu = config.get("proximal-mu", 0.0)
    if not isinstance(mu, int | float) or mu < 0:
        raise WireError("`proximal-mu` must be a number, 0 or more")
    return Instruction(
        plan_digest=text_of(config, "plan"),
        round=count_of(config, "server-round"),
        class_counts=class_counts_of(config),
        proximal_mu=float(mu),
    )


def class_counts_of(config: ConfigRecord) -> tuple[int, ...] | None:
    """Training cases by class over all sites, if the message has them.

    Raises:
        WireError: they are no whole numbers.
    """
    counts = config.get(CLASS_COUNTS)
    if counts is not None and not (isinstance(counts, list) and all(is_count(count) for count in counts)):
        raise WireError("`class-counts` must be whole numbers")
    return None if counts is None else tuple(int(count) for count in counts)


def unpack_arrays(content: RecordDict, key: str) -> ArrayRecord:
    """The ArrayRecord under ``key``.

    Raises:
        WireError: there is none.
    """
    record = content.get(key)
    if not isinstance(record, ArrayRecord):
        raise WireError(f"the message lacks `{key}`")
    return record


def pack_update(update: Update) -> RecordDict:
    """Pack an update as Flower's strategies expect it: one ArrayRecord, one MetricRecord, and ConfigRecords."""
    loss = {} if update.train_loss is None else {"train-loss": update.train_loss}
    metrics = own_metrics({EXAMPLES: update.examples, **loss})
    answer = pack_answer(update.site, update.plan_digest, update.round, update.evaluations)
    if update.held_back:
        config_of(answer, SITE)[HELD_BACK] = update.held_back
    return own_content({ARRAYS: pack_tensors(update.tensors), METRICS: metrics, **answer})


def pack_answer(site: str, plan_digest: str, server_round: int, evaluations: Mapping[str, Evaluation]) -> RecordDict:
    """Pack who answers, and evaluations by split: the whole answer to ``evaluate``, and a part of an update."""
    told = {f"{LOCAL_METRICS}.{split}": evaluation.pack() for split, evaluation in evaluations.items()}
    return own_content({SITE: own_record({"name": site, "plan": plan_digest, "round": server_round}), **told})


def unpack_answer(content: RecordDict, task: AnyTask) -> tuple[str, str, int, dict[str, Evaluation]]:
    """``(site, plan digest, round, evaluations by split)``.

    Raises:
        WireError: a key is missing, or counts do not fit.
    """
    record = config_of(content, SITE)
    evaluations = {
        split: task.unpack(config_of(content, key))
        for split in SPLITS
        if (key := f"{LOCAL_METRICS}.{split}") in content
    }
    return text_of(record, "name"), text_of(record, "plan"), count_of(record, "round"), evaluations


def unpack_update(content: RecordDict, specs: Specs, task: AnyTask, decode: Decode | None = None) -> Update:
    """Read a site's answer to ``train``.

    Args:
        decode: decodes a codec's payload; ``None`` if the tensors are sent as they are.

    Raises:
        WireError: anything is missing, of the wrong shape or type, or not finite.
    """
    site, plan_digest, server_round, evaluations = unpack_answer(content, task)
    record, metrics = content.get(ARRAYS), content.get(METRICS)
    if not isinstance(record, ArrayRecord) or not isinstance(metrics, MetricRecord):
        raise WireError("the update holds no tensors or no metrics")
    examples = metrics.get(EXAMPLES)
    if not is_count(examples) or examples == 0:
        raise WireError("the number of training cases must be a whole number above 0")
    loss = metrics.get("train-loss")
    if loss is not None and not (isinstance(loss, float) and math.isfinite(loss)):
        raise WireError("the training loss is not a finite number")
    about = config_of(content, SITE)
    return Update(
        held_back=count_of(about, HELD_BACK) if HELD_BACK in about else 0,
        site=site,
        plan_digest=plan_digest,
        round=server_round,
        tensors=unpack_tensors(record, specs) if decode is None else decode(unpack_any(record)),
        examples=int(examples),  # type: ignore[arg-type]
        train_loss=loss,
        evaluations=evaluations,
    )


def count_bytes(content: RecordDict) -> int:
    """Bytes of a message's content as Flower counts them: arrays with their headers, names, values."""
    return sum(_record_bytes(record) for record in content.values())


def _record_bytes(record: ArrayRecord | MetricRecord | ConfigRecord) -> int:
    if isinstance(record, ArrayRecord):
        return sum(len(name) + arrays.count_bytes(array) for name, array in record.items())
    if all(value != [] for value in record.values()):
        return record.count_bytes()
    filled = {name: value for name, value in record.items() if value != []}  # Flower can't count an empty list
    return type(record)(filled).count_bytes() if filled else 0  # type: ignore[arg-type]


def _checked(name: str, array: Array, spec: Spec) -> Tensor:
    values = arrays.read(f"tensor {name}", array)
    if values.shape != spec.shape:
        raise WireError(f"tensor {name} has shape {values.shape}, the plan says {spec.shape}")
    if arrays.dtype_name(values.dtype) != spec.dtype:
        raise WireError(f"tensor {name} has dtype {values.dtype.name}, the plan says {spec.dtype}")
    return torch.from_numpy(values)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
