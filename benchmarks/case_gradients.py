"""How long per-case gradients take: `fedgraft.client.privacy.case_gradients` beside Opacus (if it is installed).

    python benchmarks/case_gradients.py [WORD ...] [--cases 32] [--times 5]

Seconds for a batch, the least of some runs, and the largest difference between both, of the grafts below (words are
those of a plan); for a head besides a whole step of `fedgraft.client.privacy.linear_steps`, which writes no case's
gradient out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from plans import plan_of
from torch import Tensor

from fedgraft.client.features.examples import Examples
from fedgraft.client.privacy.case_gradients import case_gradients, through_all
from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.linear_steps import in_closed_form, train_linear
from fedgraft.client.privacy.steps import NoisySteps
from fedgraft.client.training.loop import LocalTraining
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.suitability import total
from fedgraft.common.models.build import build
from fedgraft.common.plan.sections import TrainSection

CPU = torch.device("cpu")
GRAFTS = {
    "head": (),
    "SSF": ("adaptation=ssf",),
    "LoRA": ("adaptation=lora",),
    "last stage": ("adaptation=none", "backbone.freeze=blocks.5"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--cases", type=int, default=32)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    for name, words in GRAFTS.items():
        plan = plan_of("data=phantom", "privacy=record_trained", *words, *given.words)
        model = build(plan, None)
        network = model.constant.trained
        network.train()
        torch.manual_seed(0)
        inputs, labels = torch.randn(given.cases, *model.taken), torch.arange(given.cases) % plan.data.outputs
        trained = {name: one for name, one in network.named_parameters() if one.requires_grad}
        loss = CrossEntropy(None)
        ours = lambda: case_gradients(network, trained, loss, inputs, labels)  # noqa: B023, E731
        numbers = sum(one.numel() for one in trained.values())
        summed = lambda: total(loss, network(inputs), labels)  # noqa: B023, E731
        seconds, found = timed(ours, given.times)
        whole, _ = timed(lambda: through_all(network, trained, loss, inputs, labels), given.times)  # noqa: B023
        plain, _ = timed(lambda: torch.autograd.grad(summed(), [*trained.values()]), given.times)  # noqa: B023
        each = f"of each case {seconds:.3f} s, vmap over the whole network {whole:.3f} s"
        print(f"{name}: {numbers:,} numbers; a gradient {plain:.3f} s; {each}", flush=True)
        if in_closed_form(network, trained, [_steps(given.cases)]):
            step = closed_form(network, trained, inputs, labels, given.times)
            print(f"   a step of the closed form, with noise {step:.4f} s")
        print("   " + opacus(network, trained, loss, inputs, labels, found, given.times), flush=True)
    return 0


def closed_form(
    network: torch.nn.Module, trained: dict[str, Tensor], inputs: Tensor, labels: Tensor, times: int
) -> float:
    """Seconds of one of many steps of a linear head."""
    train = TrainSection("sgd", 0.1, 0.0, 0.0, 32, 1, "constant")
    task = LocalTraining(Examples(inputs, labels), CrossEntropy(None), train, 0.1, torch.Generator())
    start = {name: one.detach() for name, one in trained.items()}
    one, many = (
        timed(partial(train_linear, network, start, [task], [_steps(len(labels), steps)], CPU), times)[0]
        for steps in (1, 101)
    )
    return (many - one) / 100


def _steps(cases: int, steps: int = 1) -> NoisySteps:
    return NoisySteps(steps, Patients([str(k) for k in range(cases)]), cases, 0.3, 10.0, 1.0)


def timed(work: Callable[[], object], times: int) -> tuple[float, object]:
    least, found = float("inf"), None
    for _ in range(times):
        begun = time.perf_counter()
        found = work()
        least = min(least, time.perf_counter() - begun)
    return least, found


def opacus(
    network: torch.nn.Module,
    trained: dict[str, Tensor],
    loss: torch.nn.Module,
    inputs: Tensor,
    labels: Tensor,
    found: object,
    times: int,
) -> str:
    try:
        from opacus.grad_sample import GradSampleModule
    except ImportError:
        return "Opacus is not installed"
    try:
        wrapped = GradSampleModule(network, loss_reduction="sum", strict=False)

        def theirs() -> Tensor:
            for parameter in trained.values():
                parameter.grad_sample = None  # type: ignore[attr-defined]
            total(loss, wrapped(inputs), labels).backward()
            return torch.cat([one.grad_sample.flatten(1) for one in trained.values()], dim=1)  # type: ignore[attr-defined]

        seconds, other = timed(theirs, times)
    except Exception as error:
        return f"Opacus can't: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    assert isinstance(found, Tensor) and isinstance(other, Tensor)
    return f"Opacus {seconds:.3f} s; they differ by {float((found - other).abs().max()):.1e} at most"


if __name__ == "__main__":
    sys.exit(main())
