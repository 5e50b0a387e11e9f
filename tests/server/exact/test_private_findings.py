"""``privacy=record`` with findings (multilabel): each patient's part in all rows of the head together is bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.client.account.privacy import FILE
from fedgraft.client.privacy.clipping import Patients, clipped_gradient
from fedgraft.common.errors import PlanError
from fedgraft.common.losses.binary_cross_entropy import BinaryCrossEntropy
from fedgraft.common.losses.suitability import total
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exact.steps import rate_of
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.rounds.loop import run
from tests.server.given_numbers import words_over
from tests.server.in_process import Tampered, context_over

Composer = Callable[..., Plan]
COLUMNS = ("x0", "x1", "x2", "x3")
WORDS = (
    *("privacy=record", "features=last", "features.scale=none", "rounds=1", "privacy.steps=20", "privacy.epsilon=8"),
    *("data.task=multilabel", "data.classes=[mass, fluid]", "loss=binary_cross_entropy", "patience.quorum_sites=2"),
)


def test_a_bounded_sum_is_that_of_each_case_s_own_gradient() -> None:
    """Case by case by autograd, over known findings, shortened by its own length, added up."""
    drawn, wide = torch.Generator().manual_seed(0), 6
    inputs = 2 * torch.randn(30, wide, generator=drawn)
    labels = torch.randint(0, 3, (30, 4), generator=drawn).double()
    labels[labels == 2] = torch.nan
    weight, bias = torch.randn(4, wide, generator=drawn).double(), torch.randn(4, generator=drawn).double()
    loss, bound = BinaryCrossEntropy(None), 0.7

    def slopes(rows: Tensor, some: Tensor) -> tuple[Tensor, Tensor]:
        own = (weight.clone().requires_grad_(), bias.clone().requires_grad_())
        found = total(loss, rows.double() / wide**0.5 @ own[0].T + own[1], some)
        made = torch.autograd.grad(found, own)
        return made[0], made[1]

    brute = [torch.zeros_like(weight), torch.zeros_like(bias)]
    shortened = 0
    for row, some in zip(inputs, labels, strict=True):
        each = slopes(row[None], some[None])
        length = float(torch.cat([part.reshape(-1) for part in each]).norm())
        shortened += length > bound
        for place, part in enumerate(each):
            brute[place] += part * min(1.0, bound / max(length, 1e-12))
    assert 5 < shortened < 30
    outputs = (inputs.double() / wide**0.5 @ weight.T + bias).requires_grad_()
    (residuals,) = torch.autograd.grad(total(loss, outputs, labels), outputs)
    got = clipped_gradient(residuals, inputs, Patients([str(place) for place in range(30)]), bound)
    assert torch.allclose(got[0], brute[0], atol=1e-5) and torch.allclose(got[1], brute[1], atol=1e-5)


def hospital(folder: Path, seed: int, marks_fluid: bool = True) -> Path:
    """250 patients; x0 goes with a mass, x1 with fluid; a tenth of the cells is unknown."""
    rng = np.random.default_rng(seed)
    rows, noise = rng.normal(size=(250, 4)).round(4), rng.normal(scale=0.5, size=(250, 2))
    found = (rows[:, :2] + noise > 0).astype(int).astype(str)
    found[rng.random(found.shape) < 0.1] = ""
    folder.mkdir(parents=True)
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    marked = found if marks_fluid else found[:, :1]
    cases = [f"table.csv,{n},{','.join(cells)},p{n},train" for n, cells in enumerate(marked)]
    header = f"path,row,{'mass,fluid' if marks_fluid else 'mass'},patient,split"
    (folder / "manifest.csv").write_text("\n".join([header, *cases]) + "\n")
    site = f"name: {folder.name}\nmanifest: manifest.csv\nstate: state\ndevice: cpu\nthreads: 1\n"
    site += "" if marks_fluid else "unmarked: [fluid]\n"
    (folder / "site.yaml").write_text(site)
    return folder / "site.yaml"


def test_findings_are_learnt_from_noisy_gradients_and_counted_as_patients(
    compose_plan: Composer, tmp_path: Path
) -> None:
    sites = [hospital(tmp_path / f"site-{k}", k) for k in range(3)]
    secure = ("aggregation=secure", "strategy.precision=float64")
    plan = compose_plan(*words_over(COLUMNS), *WORDS, *secure, small=False)
    outcome = run(context_over(plan, Tampered(sites)))
    weight = outcome.shared["head.weight"]
    assert weight.shape == (2, 4)
    assert [int(row.argmax()) for row in weight] == [0, 1] and float(weight[[0, 1], [0, 1]].min()) > 0
    for offer in outcome.offers.values():
        assert offer.class_counts is None and offer.marked is None and abs(offer.examples - 250) < 60
    for site in sites:
        lines = [json.loads(line)["what"] for line in (site.parent / "state" / FILE).read_text().splitlines()]
        assert lines == ["run", "counts", *["gradient"] * 20]


def test_a_hospital_that_never_marks_a_finding_has_no_part(compose_plan: Composer, tmp_path: Path) -> None:
    sites = [hospital(tmp_path / f"site-{k}", k, marks_fluid=k == 0) for k in range(3)]
    ledger = Ledger(None)
    with pytest.raises(TooFewError, match="1 site"):
        plan = compose_plan(*words_over(COLUMNS), *WORDS, small=False)
        run(context_over(plan, Tampered(sites), ledger))
    assert sum("the site reported `privacy`" in line for line in ledger.refusals()) == 2, ledger.refusals()


def test_each_output_is_a_log_odds_of_its_own(compose_plan: Composer) -> None:
    """The difference of two outputs has noise in both: with one of its own the rate may be sqrt(2) times as large."""
    section = compose_plan("privacy=record").privacy
    assert rate_of(section, 50.0, 1000, 1) == pytest.approx(2**0.5 * rate_of(section, 50.0, 1000, 2))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("loss.weights=global",), r"counts patients, not findings, .* set loss\.weights and loss\.prior to none"),
        (("privacy=record_evaluated",), r"set privacy\.evaluation=0 with data\.task=multilabel"),
        (("privacy=record_once", "rounds=0"), "data.task=multilabel needs rounds and steps"),
    ],
)
def test_what_has_no_noise_for_findings_is_refused(compose_plan: Composer, words: tuple[str, ...], said: str) -> None:
    task = ("data.task=multilabel", "data.classes=[mass, fluid]", "loss=binary_cross_entropy", "loss.weights=none")
    with pytest.raises(PlanError, match=said):
        compose_plan("privacy=record", *task, *words)
