"""Rounds over sites that lack a class, and samplings: what reaches the coordinator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from flwr.app import Message
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages

Composer = Callable[..., Plan]
Federate = Callable[..., Any]
ONE_CLASS = (  # 48 cases a site; so few lesions are allowed at the first that it has none
    "partition=thinned",
    "partition.sites=2",
    "partition.rare_sites=1",
    "partition.prevalence=0.001",
    "partition.rare_class=lesion",
    "rounds=1",
    "loss.weights=none",
)


class Moves:
    """Lets replies pass, and holds how far each site's update is from what it received, and how many cases it says."""

    def __init__(self) -> None:
        self.moved: dict[str, dict[str, Tensor]] = {}
        self.examples: dict[str, int] = {}

    def __call__(self, message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            site = str(reply.content.config_records["site"]["name"])
            sent, came = (some.content.array_records[messages.ARRAYS] for some in (message, reply))
            self.moved[site] = {n: torch.from_numpy(came[n].numpy() - sent[n].numpy()) for n in came}
            self.examples[site] = int(reply.content.metric_records[messages.METRICS][messages.EXAMPLES])  # type: ignore[arg-type]
        return reply


def moves(federate: Federate, plan: Plan, sites: int = 3, **options: Any) -> tuple[Moves, Any]:
    seen = Moves()
    return seen, federate(plan, dict.fromkeys(range(sites), seen), **options)


@pytest.mark.parametrize("how", ["loss.absent=mask", "loss.absent=distil", "loss=logit_adjusted"])
def test_a_one_class_site_takes_part_and_does_not_drag_the_head(
    federate: Federate, compose_plan: Composer, how: str
) -> None:
    own = ("loss.prior=local",) if how.startswith("loss=") else ()
    seen, result = moves(federate, compose_plan(how, *ONE_CLASS, *own), 2)
    counts = {name: offer.class_counts for name, offer in result.outcome.offers.items()}
    assert counts["site-01"][1] == 0 < counts["site-02"][1]
    assert all(float(moved.abs().max()) < 1e-6 for moved in seen.moved["site-01"].values())
    assert float(seen.moved["site-02"]["head.weight"].abs().max()) > 1e-4


def test_without_it_the_same_site_pulls_towards_its_class(federate: Federate, compose_plan: Composer) -> None:
    seen, _ = moves(federate, compose_plan(*ONE_CLASS), 2)
    pull = seen.moved["site-01"]["head.bias"]
    assert float(pull[0]) > 1e-3
    assert float(pull[1]) < -1e-3


NOBODY = ("data.classes=[clear,lesion,never]", "rounds=2", "loss.weights=none", "train.lr=0.1")
"""A class that no site has."""


def test_an_absent_class_is_unlearnt_masked_or_held(federate: Federate, compose_plan: Composer) -> None:
    """Its probability falls as other logits grow; distilling moves its logit along, so that it falls less."""
    start = {"keep": 0.0, "mask": 0.0, "distil": 0.0}
    bias, weight = dict(start), dict(start)
    for how in start:
        shared = federate(compose_plan(*NOBODY, f"loss.absent={how}"), out=how).outcome.shared
        bias[how], weight[how] = float(shared["head.bias"][2]), float(shared["head.weight"][2].abs().max())
    assert bias["keep"] < -0.01
    assert (bias["mask"], weight["mask"]) == (0.0, 0.0)
    assert abs(bias["distil"]) < 0.1 * abs(bias["keep"])
    assert weight["distil"] > 0


@pytest.mark.parametrize("name", ["over", "under", "balanced", "smote", "borderline_smote", "adasyn"])
def test_a_sampling_changes_the_model_and_not_the_number_of_cases(
    federate: Federate, compose_plan: Composer, name: str
) -> None:
    chosen = (f"sampling={name}", "rounds=1", "loss.weights=none")
    plain = federate(compose_plan(*chosen[1:]), out="plain")
    seen, result = moves(federate, compose_plan(*chosen), out="sampled")
    assert not torch.equal(result.outcome.shared["head.weight"], plain.outcome.shared["head.weight"])
    assert seen.examples == {name: offer.examples for name, offer in plain.outcome.offers.items()}
    before, after = (r.outcome.rounds[0].pooled("val") for r in (plain, result))  # of the untrained model
    assert (before.cases, before.confusion.tolist()) == (after.cases, after.confusion.tolist())
    deployed = federate(compose_plan(*chosen), fresh=True, out="deployed")
    assert torch.equal(deployed.outcome.shared["head.weight"], result.outcome.shared["head.weight"])


def test_what_has_no_effect_ends_the_run_before_the_first_round(federate: Federate, compose_plan: Composer) -> None:
    with pytest.raises(
        PlanError, match=r"loss\.absent=mask has no effect: every site has training cases of everything"
    ):
        federate(compose_plan("loss.absent=mask", "loss.weights=none", "data.cases=96"))
