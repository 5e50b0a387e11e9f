"""Use Flower's strategies to choose a round's sites and to aggregate their updates, which were checked before."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from torch import Tensor

from fedgraft.common.compression.compression import down_encode
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.interfaces.strategy import FLOWER, LOSS, clips_at_sites, is_mean, is_private, needs_losses
from fedgraft.common.plan import parts
from fedgraft.common.plan.checks.privacy import require_nothing_told
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import EngineSection
from fedgraft.common.wire import arrays
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.messages import Specs, Update
from fedgraft.server.aggregation.mean import averaged, weighted_mean


def allowed(engine: EngineSection) -> tuple[str, ...]:
    """Packages from which a strategy may come."""
    return (*engine.trusted, FLOWER)


_FIXED: dict[str, Any] = {
    "fraction_evaluate": 1.0,
    "min_evaluate_nodes": 1,
    "weighted_by_key": wire.EXAMPLES,
    "arrayrecord_key": wire.ARRAYS,
    "configrecord_key": wire.CONFIG,
    "train_metrics_aggr_fn": None,
    "evaluate_metrics_aggr_fn": None,
}


def _share(plan: Plan) -> float:
    """Of the sites that are asked; with ``privacy=site`` they were drawn before."""
    return 1.0 if plan.privacy.by_site else plan.strategy.fraction


def _least(plan: Plan) -> int:
    return 1 if plan.privacy.by_site else plan.patience.quorum_sites


_FROM_PLAN: dict[str, Callable[[Plan], float]] = {
    "fraction_train": _share,
    "min_train_nodes": _least,
    "min_available_nodes": _least,
}
SUPPLIED = frozenset((*_FIXED, *_FROM_PLAN))
"""Names of the arguments that FedGraft itself passes to a strategy; a plan must not set them."""


def supplied(plan: Plan) -> dict[str, Any]:
    """The values of the arguments in `SUPPLIED` for this plan."""
    return {**_FIXED, **{name: read(plan) for name, read in _FROM_PLAN.items()}}


def build_strategy(plan: Plan) -> Strategy:
    """Build the plan's strategy.

    Raises:
        PlanError: it is not a Flower strategy, needs a mod at the sites, or does not take an option.
    """
    found = parts.resolve(plan.strategy.target, "strategy", allowed(plan.engine))
    if not (inspect.isclass(found) and issubclass(found, Strategy)):
        raise PlanError(f"strategy._target_={plan.strategy.target} is not a flwr.serverapp.strategy.Strategy")
    if clips_at_sites(found):
        raise PlanError(
            f"strategy._target_={plan.strategy.target} relies on a Flower mod at the sites that FedGraft does not "
            "install: nothing would be clipped; use a DifferentialPrivacyServerSide... strategy"
        )
    if is_private(found):
        require_nothing_told(plan)
    try:
        built: Strategy = _build(plan, plan.strategy.target, plan.strategy.options)
    except (TypeError, ValueError) as error:
        raise PlanError(f"strategy: {error}") from error
    return built


def _build(plan: Plan, target: str, options: Mapping[str, Any]) -> Any:
    """Build a strategy; an option with a ``_target_`` (the strategy inside a wrapper) is built first."""
    built = {name: _build_nested(plan, value) for name, value in options.items()}
    return parts.build(target, "strategy", built, allowed(plan.engine), **supplied(plan))


def _build_nested(plan: Plan, value: Any) -> Any:
    if not isinstance(value, dict) or "_target_" not in value:
        return value
    inner = {name: item for name, item in value.items() if name != "_target_"}
    return _build(plan, str(value["_target_"]), inner)


def configure(
    strategy: Strategy,
    plan: Plan,
    server_round: int,
    shared: Mapping[str, Tensor],
    config: ConfigRecord,
    grid: Grid,
) -> list[Message]:
    """The round's train messages; which sites are sampled depends only on the plan's seed and the round.

    The strategy gets the exact tensors, without those that are `averaged`. The messages hold all of them, rounded as
    ``compression.down`` says.

    Args:
        shared: all shared tensors, by name.
        config: the messages' config; the strategy adds to it.
    """
    apart = averaged(strategy, shared)
    seen = {name: tensor for name, tensor in shared.items() if name not in apart}
    with _seeded(f"{plan.seed}|{server_round}"), _named(strategy, server_round):
        messages = list(strategy.configure_train(server_round, wire.pack_tensors(seen), config, grid))
    if plan.compression.down != "exact" or apart:
        sent = wire.pack_tensors(down_encode(shared, plan.compression.down))
        for message in messages:
            message.content[wire.ARRAYS] = sent
    return messages


def aggregate(
    strategy: Strategy, server_round: int, replies: Sequence[tuple[Message, Update]], specs: Specs
) -> dict[str, Tensor]:
    """The new shared tensors, in the dtypes of ``specs``.

    Args:
        replies: the checked updates, at least one, with the messages that brought them; sorted, since their order is
            that of the summation.

    Raises:
        RoundError: the strategy failed, or returned nothing, other names or shapes, or a number that is not finite.
    """
    if is_mean(type(strategy)):
        found = _mean(replies, specs, type(strategy).__name__, server_round)
    else:
        apart = {name: specs[name] for name in averaged(strategy, specs)}
        moved = {name: spec for name, spec in specs.items() if name not in apart}
        found = _by_strategy(strategy, server_round, replies, moved)
        found |= _mean(replies, apart, "the mean", server_round) if apart else {}
    return found


def _mean(
    replies: Sequence[tuple[Message, Update]], specs: Specs, strategy: str, server_round: int
) -> dict[str, Tensor]:
    """The mean of the updates' tensors in ``specs``, weighted by cases."""
    mean = weighted_mean([({name: u.tensors[name] for name in specs}, u.examples) for _, u in replies])
    return _checked({key: mean[key].numpy() for key in specs}, specs, strategy, server_round)


def _by_strategy(
    strategy: Strategy, server_round: int, replies: Sequence[tuple[Message, Update]], specs: Specs
) -> dict[str, Tensor]:
    """The tensors in ``specs``, aggregated by the strategy."""
    silent = sorted(update.site for _, update in replies if update.train_loss is None)
    if silent and needs_losses(type(strategy)):
        raise RoundError(
            f"round {server_round}: {type(strategy).__name__} weighs sites by their training losses, and "
            f"{', '.join(silent)} told none (release.train_loss in site.yaml); use strategy=fedavg"
        )
    with_loss = not silent
    messages = [_for_strategy(message, update, specs, with_loss) for message, update in replies]
    with _named(strategy, server_round):
        record, _ = strategy.aggregate_train(server_round, messages)
    name = type(strategy).__name__
    if record is None:
        raise RoundError(f"round {server_round}: {name} returned no tensors for {len(messages)} update(s)")
    if set(record) != set(specs):
        raise RoundError(f"round {server_round}: {name} returned tensors under other names")
    return _checked({key: record[key].numpy() for key in sorted(specs)}, specs, name, server_round)


def _for_strategy(message: Message, update: Update, specs: Specs, with_loss: bool) -> Message:
    """A reply with the checked update only; with the loss only if every site sent one (QFedAvg needs all or none)."""
    metrics = MetricRecord({wire.EXAMPLES: update.examples})
    if with_loss and update.train_loss is not None:
        metrics[LOSS] = update.train_loss
    content = RecordDict({wire.ARRAYS: wire.pack_tensors({n: update.tensors[n] for n in specs}), wire.METRICS: metrics})
    return Message(content, reply_to=message)


def _checked(values: Mapping[str, Any], specs: Specs, strategy: str, server_round: int) -> dict[str, Tensor]:
    """A strategy's arrays as tensors in the dtypes of ``specs``."""
    tensors = {
        key: torch.from_numpy(np.asarray(array if array.flags.writeable else array.copy(), specs[key].dtype))
        for key, array in values.items()
    }
    shaped = all(tuple(tensor.shape) == specs[key].shape for key, tensor in tensors.items())
    if not shaped or arrays.not_finite(tensors) is not None:
        raise RoundError(f"round {server_round}: {strategy} returned a wrong shape or a number that is not finite")
    return tensors


@contextmanager
def _named(strategy: Strategy, server_round: int) -> Iterator[None]:
    """Turn whatever a strategy raises within the block into a `RoundError` that names the strategy."""
    try:
        yield
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise RoundError(f"round {server_round}: strategy {type(strategy).__name__} failed ({what})") from error


@contextmanager
def _seeded(text: str) -> Iterator[None]:
    """Seed the global ``random``, with which Flower's strategies sample, within the block; restore it afterwards."""
    before = random.getstate()
    random.seed(text)
    try:
        yield
    finally:
        random.setstate(before)
