"""Carry out ``train`` messages to many sites of one process together, where that gives the same result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.app.handlers import Assignment, Tensors, answer, carry_out, fenced, train_loaded
from fedgraft.client.fence.held_back import HeldBack
from fedgraft.client.fence.units import holders
from fedgraft.client.privacy.answers import noisy_training_together, private_update
from fedgraft.client.training.evaluation import evaluate_splits
from fedgraft.client.training.vectorised import MOST, TrainedTogether, can_be_stacked, groups_of, train_together
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.roles import SCALE
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.wire import messages

Answer = RecordDict | Exception
Trained = tuple[Tensors, float]
"""The shared tensors after training, and the mean loss."""
T = TypeVar("T")


def carry_out_all(given: Sequence[Assignment]) -> list[Answer]:
    """Each site's answer, or the exception that it raised.

    Sites that received the same tensors for the same head on kept features, and have no local tensors, are evaluated in
    one pass and trained in groups; all others one after another.
    """
    answers: dict[int, Answer] = {}
    for places in _alike(given):
        answers |= dict(zip(places, _carry_out([given[place] for place in places]), strict=True))
    return [answers[place] for place in range(len(given))]


def _carry_out(given: Sequence[Assignment]) -> list[Answer]:
    if len(given) > 1 and given[0].session.plan.privacy.by_patient:
        return [found for start in range(0, len(given), MOST) for found in _noisy(given[start : start + MOST])]
    if len(given) > 1 and _can_be_joined(given):
        orders = [one.task.generator.get_state() for one in given]
        try:
            return _joined(given)
        except Exception:  # a head that can't be batched, or an error at one site: one by one, from the same state
            for one, order in zip(given, orders, strict=True):
                one.task.generator.set_state(order)
                if one.task.watch is not None:
                    one.task.watch.forget()
    return [_tried(partial(carry_out, one)) for one in given]


def _noisy(given: Sequence[Assignment]) -> list[Answer]:
    """Train with noise together, where that can be, and answer one after another."""
    first, found = given[0], None
    if first.session.model.constant.what == FEATURES and not first.session.model.names("local"):
        try:
            sessions, tasks = [one.session for one in given], [one.task for one in given]
            found = noisy_training_together(sessions, first.received, tasks)
        except Exception:  # an error at one site: one by one, with noise that nobody has seen yet
            found = None
    if found is None:
        return [_tried(partial(carry_out, one)) for one in given]
    return [_tried(partial(_noisy_answer, one, outcome)) for one, outcome in zip(given, found, strict=True)]


def _noisy_answer(one: Assignment, outcome: dict[str, Tensor] | PlanError) -> RecordDict:
    def trained() -> dict[str, Tensor]:
        if isinstance(outcome, PlanError):
            raise outcome
        return outcome

    return private_update(one.session, one.order, one.received, trained)


def _alike(given: Sequence[Assignment]) -> list[list[int]]:
    """Indices of assignments, grouped by network, received tensors, round and plan."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(given):
        key = (id(one.session.model), id(one.received), one.order.round, one.task.mu, one.session.plan.digest)
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _can_be_joined(given: Sequence[Assignment]) -> bool:
    """Whether assignments of one group can be evaluated and trained together."""
    model = given[0].session.model
    return (
        model.constant.what == FEATURES
        and all(name.startswith(SCALE) for name in model.names("local"))
        and all(one.task.is_plain for one in given)
        and holders(model.constant.trained, dict(model.constant.trained.named_parameters())) == [""]
        and all(one.session.plan.personal.target is None and one.session.plan.loss.absent == "keep" for one in given)
        and can_be_stacked(model.constant.trained, [one.task.loss for one in given])
    )


def _joined(given: Sequence[Assignment]) -> list[Answer]:
    """Evaluate and train assignments together; groups that are too small are trained one by one."""
    session = given[0].session
    head, prefix = session.model.constant.trained, session.model.constant.prefix
    evaluations = _evaluate(given)
    groups, alone = groups_of([one.task for one in given])
    trained: dict[int, Trained | Exception] = {}
    received = given[0].task.received
    start = {name: received[name] for name, _ in head.named_parameters()}  # without what scales features
    for group in groups:
        found = train_together(head, start, [given[k].task for k in group], session.device)
        trained |= {place: _named(prefix, outcome) for place, outcome in zip(group, found, strict=True)}
    for place in alone:
        trained[place] = _tried(partial(_trained_alone, given[place]))
    # only after all training, when there is no falling back: answering logs a release and keeps the codec's residual;
    # and each step of all sites one after another, while the processor has at hand what that step takes
    held = [_tried(partial(_fenced, one, trained[place])) for place, one in enumerate(given)]
    return [_tried(partial(_answered, *one)) for one in zip(given, held, evaluations, strict=True)]


def _evaluate(given: Sequence[Assignment]) -> list[dict[str, Evaluation]]:
    """Evaluate the received model on every site's splits, by site."""
    session = given[0].session
    session.load(given[0].received)
    splits = [one.session.cohort[split] for one in given for split in messages.SPLITS]
    found = iter(evaluate_splits(session.model.constant.trained, splits, session.device, tasks.of(session.plan.data)))
    by_split = [{split: next(found) for split in messages.SPLITS} for _ in given]
    return [{split: one for split, one in some.items() if one is not None} for some in by_split]


def _named(prefix: str, outcome: TrainedTogether | PlanError) -> Trained | PlanError:
    if isinstance(outcome, PlanError):
        return outcome
    return {prefix + name: tensor.cpu() for name, tensor in outcome.weights.items()}, outcome.loss


def _trained_alone(one: Assignment) -> Trained:
    one.session.load(one.received)
    return train_loaded(one)


def _fenced(one: Assignment, outcome: Trained | Exception) -> tuple[HeldBack, float]:
    if isinstance(outcome, Exception):
        raise outcome
    return fenced(one, *outcome)


def _answered(
    one: Assignment, held: tuple[HeldBack, float] | Exception, evaluations: dict[str, Evaluation]
) -> RecordDict:
    if isinstance(held, Exception):
        raise held
    return answer(one, *held, evaluations)


def _tried(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except Exception as error:  # an error at one site must not stop the others; the caller reduces it to a code
        return error
