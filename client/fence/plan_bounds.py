"""Whether a plan, and the model that it makes, stay within the site's ``bounds``; all that does not is said at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import BoundsError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps

if TYPE_CHECKING:
    from fedgraft.common.models.model import Model

_SIZED = ("backbone", "adaptation", "head")
"""Sections whose whole numbers say how large a part is."""


class Crossing(NamedTuple):
    """An option that asks for more than a bound allows: in a sentence, which bound, and the least that would do."""

    said: str
    bound: str
    needed: float


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
    _require(one.said for one in _forgets(plan, mu, bounds))


def _require(problems: list[str] | Iterator[str]) -> None:
    if found := list(problems):
        raise BoundsError(found)


def beyond(plan: Plan, bounds: Bounds) -> Iterator[str]:
    """A sentence for each option that asks for more than ``bounds``."""
    return (one.said for one in crossings(plan, bounds))


def crossings(plan: Plan, bounds: Bounds) -> Iterator[Crossing]:
    """Each option that asks for more than ``bounds``."""
    plain = plan.plain
    if plan.rounds > bounds.rounds:
        yield Crossing(f"rounds={plan.rounds} is above bounds.rounds={bounds.rounds}", "rounds", plan.rounds)
    for path, value in _numbers(plain, ""):
        name = path.rpartition(".")[2]
        if name == "lr" and value > bounds.rate:
            yield Crossing(f"{path}={value:g} is above bounds.rate={bounds.rate:g}", "rate", value)
        if name.endswith("epochs") and value > bounds.epochs:
            said = f"{path}={value:g} is above bounds.epochs={bounds.epochs}"
            yield Crossing(said, "epochs", math.ceil(value) if math.isfinite(value) else value)
    mu = plan.strategy.options.get("proximal_mu")
    yield from _forgets(plan, float(mu) if isinstance(mu, int | float) else 0.0, bounds)
    for section in _SIZED:
        yield from _sizes(plain.get(section), section, bounds)


def allowing(plan: Plan, bounds: Bounds) -> str:
    """The line of ``site.yaml`` that would allow a plan; what a site has set of other bounds stays."""
    while found := list(crossings(plan, bounds)):  # what a wider layer can make together is seen once it is allowed
        most: dict[str, Any] = {
            name: max(one.needed for one in found if one.bound == name) for name in {one.bound for one in found}
        }
        bounds = replace(bounds, **most)
    usual = asdict(Bounds())
    line = {name: value for name, value in asdict(bounds).items() if value != usual[name]}
    return f"bounds: {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in line.items())}}}"


def _forgets(plan: Plan, mu: float, bounds: Bounds) -> Iterator[Crossing]:
    """Whether a step takes back what those before it did: then an update rests on the patients of the last batches.

    With a part ``q`` left of each step's work by the next one, it rests on ``(1 + q) / (1 - q)`` steps (the effective
    number of a geometric series): 19 at 0.1, of one patient each if ``train.batch_size=1``.
    """
    back = plan.train.lr * (plan.train.weight_decay + mu)
    if back > bounds.forget:
        what = f"train.weight_decay={plan.train.weight_decay:g}" + (f" and proximal_mu={mu:g}" if mu else "")
        said = (
            f"{what} at train.lr={plan.train.lr:g} take back {back:.3g} of each step, bounds.forget={bounds.forget:g}"
        )
        yield Crossing(said, "forget", float(f"{1.01 * back:.3g}"))


def _sizes(part: Any, section: str, bounds: Bounds) -> Iterator[Crossing]:
    """A part's whole numbers: each alone, and what they can make together (its widest layer once for each of them)."""
    found = [(path, value) for path, value in _numbers(part, section) if isinstance(value, int)]
    wide = [(path, value) for path, value in found if value > bounds.width]
    for path, value in wide:
        yield Crossing(f"{path}={value} is above bounds.width={bounds.width}", "width", value)
    most = max((value for _, value in found), default=0) * math.prod(max(1, value) for _, value in found)
    if not wide and most > bounds.parameters:
        named = ", ".join(f"{path}={value}" for path, value in found)
        yield Crossing(f"{named}: may make more than bounds.parameters={bounds.parameters}", "parameters", most)


def _of_the_model(model: Model, bounds: Bounds) -> Iterator[str]:
    trained = model.trained
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
