"""Train many sites' small networks in one batched computation.

Sites that train the same head on kept features differ only in their weights and cases. Their weights are stacked, and
one call under `torch.func.vmap` makes a step of all of them. The order of cases, the loss and the optimizer are those
of `fedgraft.client.training.loop`; the resulting weights agree to a relative 1e-4 (sums are taken in another order).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from fedgraft.client.training.loop import LocalTraining, TrainingStep, build_optimizer, count_steps, mean_loss
from fedgraft.common.errors import PlanError

FEWEST, MOST = 6, 64  # sites per group: fewer are as fast one by one; of more, a step's cases exceed the cache
_SIMILAR = 0.7  # members of a group have at least this share of its longest member's steps
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class TrainedTogether:
    """The result of one task: its weights by name in the network, and its mean loss."""

    weights: Weights
    loss: float


def groups_of(tasks: Sequence[LocalTraining]) -> tuple[list[list[int]], list[int]]:
    """``(groups to train together, tasks to train one by one)``, as indices into ``tasks``.

    Members of a group have similar numbers of steps, since the group takes as long as its longest member.
    """
    length = [count_steps(task.shown(), task.train) for task in tasks]
    groups: list[list[int]] = []
    for place in sorted(range(len(tasks)), key=lambda place: -length[place]):
        last = groups[-1] if groups else []
        if last and len(last) < MOST and length[place] >= _SIMILAR * length[last[0]]:
            last.append(place)
        else:
            groups.append([place])
    alone = [place for group in groups if len(group) < FEWEST for place in group]
    return [group for group in groups if len(group) >= FEWEST], sorted(alone)


def can_be_stacked(network: nn.Module, losses: Sequence[object]) -> bool:
    """Whether `train_together` applies: the whole network is trained, and the losses differ at most in the values of
    their buffers."""
    if any(True for _ in network.buffers()) or not all(p.requires_grad for p in network.parameters()):
        return False
    modules = [loss for loss in losses if isinstance(loss, nn.Module)]
    kinds = {(type(loss), *((n, b.shape) for n, b in loss.named_buffers())) for loss in modules}
    plain = len(modules) == len(losses) and len(kinds) == 1 and not any(True for _ in modules[0].parameters())
    return plain and all(_alike(modules[0], module) for module in modules)


def _alike(first: nn.Module, other: nn.Module) -> bool:
    """Whether two modules differ at most in their buffers."""
    if first is other:
        return True
    own, others = ({n: v for n, v in vars(module).items() if not n.startswith("_")} for module in (first, other))
    return not any(isinstance(value, Tensor) for value in own.values()) and own == others


def train_together(
    network: nn.Module, start: Mapping[str, Tensor], tasks: Sequence[LocalTraining], device: torch.device
) -> list[TrainedTogether | PlanError]:
    """Train from ``start`` (weights by name in ``network``), each task on its own cases.

    Args:
        network: one that `can_be_stacked`; its own weights are not changed.

    Returns:
        the results in the order of ``tasks``; an error for a task whose loss did not stay finite.
    """
    first = tasks[0]
    start = {name: value.to(device) for name, value in start.items()}
    stacked = {name: value.expand(len(tasks), *value.shape).clone().requires_grad_() for name, value in start.items()}
    optimizer = build_optimizer(stacked, first)
    step_loss = _step_loss(network.train(), start, tasks)
    outputs, watched = _outputs(network, start, first, device), any(task.watch is not None for task in tasks)
    total, seen = torch.zeros(len(tasks), dtype=torch.float64), [0] * len(tasks)
    done: list[Weights] = [{} for _ in tasks]
    for present, ended in _in_step(tasks):
        optimizer.zero_grad(set_to_none=True)
        parts, added = list[Tensor](), list[tuple[list[int], Tensor]]()
        for members in _by_size(present):
            size = len(present[members[0]].cases)
            steps = [present[member] for member in members]
            beside = torch.zeros(len(members), size, outputs, device=device, requires_grad=watched)
            loss, whole = step_loss(stacked, members, steps, beside)
            parts.append(whole.sum())
            added.append((members, beside))
            total[members] += loss.detach().cpu().double() * size
            for member in members:
                seen[member] += size
        torch.stack(parts).sum().backward()
        _watch(added, tasks, present)
        optimizer.step()
        if ended:  # in one piece: many small ones would lie in the holes that a step leaves, and the next not fit in
            last = {name: value.detach()[ended] for name, value in stacked.items()}
            for place, member in enumerate(ended):
                done[member] = {name: value[place] for name, value in last.items()}
    network.eval()
    return [_result(done[k], float(total[k]), seen[k], tasks[k].lr) for k in range(len(tasks))]


def _outputs(network: nn.Module, start: Mapping[str, Tensor], task: LocalTraining, device: torch.device) -> int:
    """The number of the network's outputs."""
    with torch.no_grad():
        one: Tensor = functional_call(
            network, dict(start), (task.examples.batch(torch.zeros(1, dtype=torch.int64)).to(device),)
        )
    return one.shape[1]


def _watch(
    added: Sequence[tuple[Sequence[int], Tensor]], tasks: Sequence[LocalTraining], present: Mapping[int, TrainingStep]
) -> None:
    """Show each task's watch the derivatives by its outputs, which are those by the zeros that were added to them."""
    for members, beside in added:
        for place, member in enumerate(members):
            watch = tasks[member].watch
            if watch is not None and beside.grad is not None:
                watch.slopes(present[member].cases, beside.grad[place])


def _in_step(tasks: Sequence[LocalTraining]) -> Iterator[tuple[dict[int, TrainingStep], list[int]]]:
    """For each common step: the batch of each task that still has one, and the tasks for which it is the last."""
    sources = {place: task.steps() for place, task in enumerate(tasks)}
    following = {place: next(source) for place, source in sources.items()}
    while following:
        present, following = following, {}
        for place in present:
            step = next(sources[place], None)
            if step is not None:
                following[place] = step
        yield present, [place for place in present if place not in following]


def _by_size(present: Mapping[int, TrainingStep]) -> list[list[int]]:
    """The tasks grouped by the number of cases in their steps."""
    sizes: dict[int, list[int]] = {}
    for member, step in present.items():
        sizes.setdefault(len(step.cases), []).append(member)
    return list(sizes.values())


StepLoss = Callable[[Mapping[str, Tensor], Sequence[int], Sequence[TrainingStep], Tensor], tuple[Tensor, Tensor]]


def _step_loss(network: nn.Module, start: Mapping[str, Tensor], tasks: Sequence[LocalTraining]) -> StepLoss:
    """``(stacked weights, members, their steps, what is added to their outputs) -> (loss, loss with the proximal
    term)``, both ``(members,)``."""
    losses = [task.loss for task in tasks]
    buffers = _stacked_buffers(losses, next(iter(start.values())).device)
    criterion = copy.deepcopy(losses[0]).to("meta")  # type: ignore[attr-defined]
    mu = tasks[0].mu

    def single(
        weights: Weights, held: Weights, inputs: Tensor, labels: Tensor, beside: Tensor
    ) -> tuple[Tensor, Tensor]:
        loss = functional_call(criterion, held, (functional_call(network, weights, (inputs,)) + beside, labels))
        if not mu:
            return loss, loss
        way = torch.stack([((weights[name] - start[name]) ** 2).sum() for name in weights]).sum()
        return loss, loss + mu / 2 * way

    batched = vmap(single)

    def step(
        stacked: Mapping[str, Tensor], members: Sequence[int], steps: Sequence[TrainingStep], beside: Tensor
    ) -> tuple[Tensor, Tensor]:
        chosen = torch.tensor(members)
        everybody = len(members) == len(tasks)
        weights, held = (
            {name: value if everybody else value[chosen] for name, value in named.items()}
            for named in (stacked, buffers)
        )
        where = next(iter(stacked.values())).device
        loss, whole = batched(
            weights,
            held,
            torch.stack([step.inputs for step in steps]).to(where),
            torch.stack([step.labels for step in steps]).to(where),
            beside,
        )
        return loss, whole

    return step


def _stacked_buffers(losses: Sequence[object], device: torch.device) -> Weights:
    """The buffers of the losses, of each task's in order; many share one, which is looked through once."""
    different = {id(loss): loss.to(device) for loss in losses}  # type: ignore[attr-defined]
    _, buffers = stack_module_state([*different.values()])
    number = {key: place for place, key in enumerate(different)}
    whose = torch.tensor([number[id(loss)] for loss in losses], device=device)
    return {name: value[whose] for name, value in buffers.items()}


def _result(weights: Weights, total: float, seen: int, lr: float) -> TrainedTogether | PlanError:
    try:
        return TrainedTogether(weights, mean_loss(total, seen, lr))
    except PlanError as error:
        return error
