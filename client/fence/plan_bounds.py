"""Whether a plan, and the model that it makes, stay within the site's ``bounds``; all that does not is said at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import BoundsError
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps

_SIZED = ("backbone", "adaptation", "head")
"""Sections whose whole numbers say how large a part is."""


def require_plan_within(plan: Plan, bounds: Bounds) -> None:
    """Check what can be told from the plan alone, before anything of it is built.

    Raises:
        BoundsError: names every option that asks for more, with its value.
    """
    _require(beyond(plan, bounds))


def require_model_within(model: Model, bounds: Bounds) -> None:
    """Check what is trained and what comes with a message.

    Raises:
        BoundsError: names what is more.
    """
    _require(_of_the_model(model, bounds))


def require_steps_within(plan: Plan, cases: int, bounds: Bounds) -> None:
    """Check how many steps a round takes with so many training cases.

    Raises:
        BoundsError: more than the site allows.
    """
    steps = plan.train.epochs * math.ceil(cases / plan.train.batch_size)
    what = f"train.epochs={plan.train.epochs} with train.batch_size={plan.train.batch_size} takes {steps} steps a round"
    if by_steps(plan):
        steps = plan.privacy.steps // plan.rounds
        what = f"privacy.steps={plan.privacy.steps} with rounds={plan.rounds} takes {steps} steps a round"
    _require([f"{what}, bounds.steps={bounds.steps}"] if steps > bounds.steps else [])


def require_remembering(plan: Plan, mu: float, bounds: Bounds) -> None:
    """Check the weight of the proximal term that came with a message.

    Raises:
        BoundsError: each step would take back the ones before.
    """
    _require(_forgets(plan, mu, bounds))


def _require(problems: list[str] | Iterator[str]) -> None:
    if found := list(problems):
        raise BoundsError(found)


def beyond(plan: Plan, bounds: Bounds) -> Iterator[str]:
    """A sentence for each option that asks for more than ``bounds``."""
    plain = plan.to_dict()
    if plan.rounds > bounds.rounds:
        yield f"rounds={plan.rounds} is above bounds.rounds={bounds.rounds}"
    for path, value in _numbers(plain, ""):
        name = path.rpartition(".")[2]
        if name == "lr" and value > bounds.rate:
            yield f"{path}={value:g} is above bounds.rate={bounds.rate:g}"
        if name.endswith("epochs") and value > bounds.epochs:
            yield f"{path}={value:g} is above bounds.epochs={bounds.epochs}"
    mu = plan.strategy.options.get("proximal_mu")
    yield from _forgets(plan, float(mu) if isinstance(mu, int | float) else 0.0, bounds)
    for section in _SIZED:
        yield from _sizes(plain.get(section), section, bounds)


def _forgets(plan: Plan, mu: float, bounds: Bounds) -> Iterator[str]:
    """Whether a step takes back what those before it did: then an update rests on the patients of the last batches.

    With a part ``q`` left of each step's work by the next one, it rests on ``(1 + q) / (1 - q)`` steps (the effective
    number of a geometric series): 19 at 0.1, of one patient each if ``train.batch_size=1``.
    """
    back = plan.train.lr * (plan.train.weight_decay + mu)
    if back > bounds.forget:
        what = f"train.weight_decay={plan.train.weight_decay:g}" + (f" and proximal_mu={mu:g}" if mu else "")
        yield f"{what} at train.lr={plan.train.lr:g} take back {back:.3g} of each step, bounds.forget={bounds.forget:g}"


def _sizes(part: Any, section: str, bounds: Bounds) -> Iterator[str]:
    """A part's whole numbers: each alone, and what they can make together (its widest layer once for each of them)."""
    found = [(path, value) for path, value in _numbers(part, section) if isinstance(value, int)]
    wide = [(path, value) for path, value in found if value > bounds.width]
    yield from (f"{path}={value} is above bounds.width={bounds.width}" for path, value in wide)
    most = max((value for _, value in found), default=0) * math.prod(max(1, value) for _, value in found)
    if not wide and most > bounds.parameters:
        named = ", ".join(f"{path}={value}" for path, value in found)
        yield f"{named}: may make more than bounds.parameters={bounds.parameters}"


def _of_the_model(model: Model, bounds: Bounds) -> Iterator[str]:
    trained = {name: tensor for name, tensor in model.network.named_parameters() if tensor.requires_grad}
    numbers = sum(tensor.numel() for tensor in trained.values())
    if numbers > bounds.parameters:
        yield f"{numbers} numbers are trained, bounds.parameters={bounds.parameters}"
    for name, tensor in trained.items():
        if tensor.ndim > 1 and len(tensor) > bounds.width:
            yield f"{name} has {len(tensor)} rows, bounds.width={bounds.width}"
    size = sum(model.state[name].numel() * model.state[name].element_size() for name in model.received)
    if size > bounds.bytes:
        yield f"{size} bytes come with each message, bounds.bytes={bounds.bytes}"


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """All numbers in plain data, by the path to each; yes and no are none."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
