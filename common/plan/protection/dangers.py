"""Red flags: what makes a plan, or a plan at a hospital with so many cases, dangerous for a single patient.

A danger is not refused: it may be what is wanted, on public cases for instance. What attacks get is measured in
docs/privacy-audit.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedgraft.common.interfaces.personalisation import keeps_intercept_only
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.plan import Plan

MOST_EPSILON = 10.0


@dataclass(frozen=True)
class Danger:
    """``name``: short; ``text``: what it is, and why; ``to_do``: what makes it less."""

    name: str
    text: str
    to_do: str

    def __str__(self) -> str:
        return f"red flag, {self.name}: {self.text}; {self.to_do}"


def plan_dangers(plan: Plan) -> list[Danger]:
    """What a plan's options alone tell."""
    return [*_clear_gradients(plan), *_single_batches(plan), *_personal(plan), *_promise(plan)]


def case_dangers(plan: Plan, site: str, counts: Sequence[int]) -> list[Danger]:
    """What the plan tells of a hospital with so many training cases of each class, or finding.

    Args:
        site: its name.
    """
    return [*_one_of_a_class(plan, site, counts), *_one_step(plan, site, sum(counts))]


def all_dangers(plan: Plan, counts: Mapping[str, Sequence[int]]) -> list[Danger]:
    """Of a plan, and of it at each hospital: by name its training cases of each class."""
    each = [danger for site, some in sorted(counts.items()) for danger in case_dangers(plan, site, some)]
    return [*plan_dangers(plan), *each, *_delta(plan, counts)]


def pixel_dangers(plan: Plan, sees_pixels: bool) -> list[Danger]:
    """Of a graft that begins at the picture.

    Args:
        sees_pixels: whether nothing is computed once per case and kept.
    """
    if not sees_pixels or plan.aggregation.secure:
        return []
    text = "what is trained begins at the picture, and an update of few cases in few steps gives pictures back"
    return [Danger("pixels", text, "set aggregation=secure, or free later stages only")]


def _clear_gradients(plan: Plan) -> Iterator[Danger]:
    if is_exact(plan.strategy) and not plan.privacy.by_patient and not plan.aggregation.secure:
        text = (
            "with strategy=exact in the clear the coordinator has dozens of gradients of each hospital over the same "
            "patients, which together tell who they are"
        )
        yield Danger("gradients in the clear", text, "set aggregation=secure, or privacy=record")


def _single_batches(plan: Plan) -> Iterator[Danger]:
    if plan.train.batch_size == 1 and not is_exact(plan.strategy):
        text = "train.batch_size=1: each local step is one patient's gradient, and the last weigh most in an update"
        yield Danger("batches of one", text, "set train.batch_size to 8 or more")


def _personal(plan: Plan) -> Iterator[Danger]:
    part = ours(plan.personal, "personal")
    if (hasattr(part, "local") or hasattr(part, "train_copy")) and not keeps_intercept_only(part):
        text = (
            "each hospital keeps a head or a model that its own patients alone have trained; whoever is given one "
            "(fedgraft export --site, a copied state folder) can ask it who they are"
        )
        yield Danger("personal models", text, "release the shared model only, or set personal=none")


def _promise(plan: Plan) -> Iterator[Danger]:
    if plan.privacy.on and plan.privacy.epsilon > MOST_EPSILON:
        text = f"privacy.epsilon={plan.privacy.epsilon:g} promises next to nothing"
        yield Danger("a weak promise", text, f"set it to {MOST_EPSILON:g} or less; 1 to 3 means something")


def _one_of_a_class(plan: Plan, site: str, counts: Sequence[int]) -> Iterator[Danger]:
    if plan.privacy.by_patient or plan.aggregation.secure or 1 not in counts:
        return
    text = (
        f"{site} has a class with one training case: what its update or gradient says of that class is that patient's "
        "features"
    )
    yield Danger("one case of a class", text, "leave the hospital or the class out, or set privacy=record")


def _one_step(plan: Plan, site: str, cases: int) -> Iterator[Danger]:
    """An update that is one gradient of one case."""
    if plan.privacy.by_patient or plan.aggregation.secure or cases != 1:
        return
    text = f"{site} has one training case: its update is that patient's gradient, whose features are read off it"
    yield Danger("an update of one case", text, "leave the hospital out, or set aggregation=secure")


def _delta(plan: Plan, counts: Mapping[str, Sequence[int]]) -> Iterator[Danger]:
    cases = sum(map(sum, counts.values()))
    if plan.privacy.by_patient and cases and plan.privacy.delta > 1 / (2 * cases):
        text = f"privacy.delta={plan.privacy.delta:g} is not well below one in {cases:,} cases: that many may be told"
        yield Danger("a large delta", text, f"set it to {0.1 / cases:.1g} or less")
