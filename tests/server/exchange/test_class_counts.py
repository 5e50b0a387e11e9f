"""Sums of class counts, and what would have no effect with them: each text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import InertError, RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.class_counts import class_counts, prior_counts, require_imbalance

Composer = Callable[..., Plan]
Counts = tuple[int, ...] | None


def offers(*given: Counts) -> list[Offer]:
    return [Offer(f"site-{number}", "0" * 64, True, 40, counts) for number, counts in enumerate(given)]


def test_the_sum_over_the_sites_that_gave_them(compose_plan: Composer) -> None:
    assert class_counts(compose_plan(), offers((30, 10), None, (0, 40))) == (30, 50)
    assert class_counts(compose_plan("loss=logit_adjusted"), offers((30, 10))) == (30, 10)
    assert class_counts(compose_plan("loss.weights=local"), offers((30, 10))) is None


@pytest.mark.parametrize(("loss", "option"), [("cross_entropy", "weights"), ("logit_adjusted", "prior")])
def test_counts_that_nobody_gives_are_an_error(compose_plan: Composer, loss: str, option: str) -> None:
    plan = compose_plan(f"loss={loss}")
    with pytest.raises(RoundError, match=rf"loss\.{option}=global, but no site gave its class counts.*={'local'}"):
        class_counts(plan, offers(None, None))
    with pytest.raises(RoundError, match=rf"loss\.{option}=global: .* hold no case of lesion .*{option}=local"):
        class_counts(plan, offers((40, 0), None))


def test_a_held_out_site_is_given_the_counts_that_its_prior_needs(compose_plan: Composer) -> None:
    held = ("features.scale=own_balanced", "hold_out=[birch]")
    plan = compose_plan(*held, "loss.weights=none")
    assert prior_counts(plan, offers((30, 10), None)) == (30, 10)
    assert prior_counts(compose_plan(*held), offers((30, 10))) is None  # all classes weigh the same
    with pytest.raises(
        RoundError, match=r"scale=own_balanced with hold_out, but no site gave .*use features.scale=own"
    ):
        prior_counts(plan, offers(None))
    with pytest.raises(RoundError, match=r"own_balanced with hold_out: .* hold no case of lesion .*weights=local"):
        prior_counts(plan, offers((40, 0)))


@pytest.mark.parametrize(
    ("overrides", "given", "words"),
    [
        ((), ((30, 10), (10, 30)), r"loss\.weights=global has no effect: over all sites .*set loss\.weights=none"),
        ((), ((30, 10), None, (10, 30)), r"loss\.weights=global has no effect"),
        (
            ("loss.weights=local",),
            ((20, 20), (30, 30), (0, 40)),
            r"loss\.weights=local has no effect: at every site .*every weight is 1",
        ),
        (
            ("loss=logit_adjusted",),
            ((30, 10), (10, 30)),
            r"loss\.prior=global has no effect: .* use loss=cross_entropy loss\.weights=none",
        ),
        (
            ("loss.absent=mask",),
            ((30, 10), (20, 20)),
            r"loss\.absent=mask has no effect: every site has training cases of everything; set it to keep",
        ),
        (
            ("sampling=over", "loss.weights=none"),
            ((20, 20), (40, 0)),
            r"sampling has no effect: at every site .*set sampling=none",
        ),
    ],
)
def test_what_would_change_nothing_is_refused(
    compose_plan: Composer, overrides: tuple[str, ...], given: tuple[Counts, ...], words: str
) -> None:
    with pytest.raises(InertError, match=words) as caught:
        require_imbalance(compose_plan(*overrides), offers(*given))
    (option,) = caught.value.options
    assert str(caught.value).partition("- ")[2].startswith(option)


@pytest.mark.parametrize(
    ("overrides", "given"),
    [
        ((), ((30, 10), (20, 20))),
        (("loss.weights=local",), ((30, 10), (20, 20))),
        (("loss.weights=local",), ((20, 20), None)),  # who knows of the other
        (("loss=logit_adjusted",), ((30, 10), (20, 20))),
        (("loss.absent=distil",), ((30, 10), (40, 0))),
        (("loss.absent=distil",), ((30, 10), None)),
        (("sampling=over", "loss.weights=none"), ((20, 20), (30, 10))),
        (("loss.weights=none",), (None, None)),
        ((), ((40, 0), None)),  # an error of its own
    ],
)
def test_what_changes_something_or_may_is_not(
    compose_plan: Composer, overrides: tuple[str, ...], given: tuple[Counts, ...]
) -> None:
    require_imbalance(compose_plan(*overrides), offers(*given))


def test_of_a_finding_without_counts_nothing_is_known(compose_plan: Composer) -> None:
    """Its rare side is withheld: that the other finding is even does not make every weight 1."""
    plan = compose_plan("data.task=multilabel", "loss=binary_cross_entropy", "loss.weights=local")
    require_imbalance(plan, offers((50, 50, 0, 0)))
    with pytest.raises(InertError, match=r"loss\.weights=local has no effect"):
        require_imbalance(plan, offers((50, 50, 50, 50)))
