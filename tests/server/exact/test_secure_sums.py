"""Runs over real sites in secure sums: the model is that of runs in the clear, and nothing of one site leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Context, Error, Message, RecordDict
from scipy.stats import chisquare

from fedgraft.client.app.client_app import MessageHandler, build
from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.summed.kind import POOLED
from fedgraft.common.wire.summed.words import unpack_words
from fedgraft.server.rounds.loop import run
from tests.server.exact.conftest import COLUMNS, OPEN
from tests.server.given_numbers import words_over
from tests.server.in_process import Tampered, context_over

Composer = Callable[..., Plan]
FitOver = Callable[..., Any]
ONE = ("rounds=1", "strategy.weakest=0.05")
SECURE = ("aggregation=secure", "decide.unseen=null")
PLAIN = ("calibration.by_site=false", "decide.by_site=pooled", "decide.unseen=null")


def dealt(patients: Any, sites: int) -> list[Any]:
    return np.array_split(np.arange(len(patients.labels)), sites)


def lost_at(kind: str, number: int = 1) -> Callable[[Message, Message], Message]:
    """A site that is gone from its ``number``-th answer of a kind on."""
    asked = [0]

    def tamper(message: Message, reply: Message) -> Message:
        asked[0] += message.metadata.message_type == kind
        return Message(Error(5, "Node Unavailable"), reply_to=message) if asked[0] >= number else reply

    return tamper


def test_the_fit_is_that_of_the_gradients_in_the_clear(breast_plan: Composer, fit_over: FitOver, patients: Any) -> None:
    deal = dealt(patients, 4)
    plain, secure = (fit_over(breast_plan(*ONE, *words), deal) for words in (PLAIN, SECURE))
    for one, other in zip(plain.weights, secure.weights, strict=True):
        assert np.abs(one - other).max() < 1e-7
    last, same = secure.outcome.rounds[-1], plain.outcome.rounds[-1]
    assert last.sites == same.sites == ("site-00", "site-01", "site-02", "site-03")
    assert last.fit is not None and last.fit.converged
    assert set(last.by_site) == {POOLED} and last.rested_on == same.rested_on
    told, pooled = last.by_site[POOLED]["val"], same.pooled("val")
    assert told.cases == pooled.cases and (told.confusion == pooled.confusion).all()
    assert told.figures()["auroc"] == pytest.approx(pooled.figures()["auroc"], abs=2e-3)
    steps = [entry for entry in secure.ledger.entries if entry.what == "secure"]
    questions = [entry for entry in secure.ledger.entries if entry.what in ("gradient", "evaluate")]
    assert len(steps) == len(questions) + 2 * 4  # one more for each sum; the first one's keys and shares


def test_a_lost_site_is_left_out_and_too_few_end_the_run(
    breast_plan: Composer, fit_over: FitOver, patients: Any
) -> None:
    deal = dealt(patients, 4)
    others = fit_over(breast_plan(*ONE, *PLAIN), deal[:1] + deal[2:])
    for kind, number in (("query.gradient", 5), ("query.secure", 6)):
        found = fit_over(breast_plan(*ONE, *SECURE), deal, {1: lost_at(kind, number)})
        assert np.abs(found.weights[0] - others.weights[0]).max() < 1e-6
        assert {entry.site for entry in found.ledger.entries if entry.outcome == "unreachable"} == {"site-01"}
    gone = {1: lost_at("query.gradient", 5), 2: lost_at("query.gradient", 5)}
    with pytest.raises(RoundError, match=r"site-00: secure-few \(too few sites stayed .* nothing was learnt"):
        fit_over(breast_plan(*ONE, *SECURE), deal, gone)


@pytest.fixture
def trained(compose_plan: Composer, patients: Any, tmp_path: Any, hospital: Callable[..., Any]) -> Callable[..., Any]:
    """``trained("aggregation=secure")``: two rounds of training at four such hospitals; with the outcome what
    the sites answered."""

    def go(*words: str, tamper: Any = None) -> Any:
        plan = compose_plan(*words_over(COLUMNS), "rounds=2", "train.epochs=1", *words, small=False)
        folder = tmp_path / f"trained-{len(list(tmp_path.iterdir()))}"
        sites = [hospital(folder / f"site-{k:02}", patients, some, OPEN) for k, some in enumerate(dealt(patients, 4))]
        answering = Tampered(sites, tamper)
        return run(context_over(plan, answering)), answering, plan

    return go


@pytest.mark.parametrize(
    "more", [(), ("strategy=fedprox", "strategy.proximal_mu=0.1"), ("features.scale=common", "initial=ridge")]
)
def test_the_mean_is_that_of_updates_in_the_clear(trained: Callable[..., Any], more: tuple[str, ...]) -> None:
    """To half a step for each site: the step is 455 training cases times ``norm``, as a multiple of 2 ** -31, over as
    many cases; and to the rounding of float32."""
    plain, secure = trained(*PLAIN, *more)[0], trained(*SECURE, *more)[0]
    step = 100 * 2 * 2.0**-31
    for name, tensor in plain.shared.items():
        rounding = 4 * float(tensor.abs().max()) * torch.finfo(torch.float32).eps
        assert float((tensor - secure.shared[name]).abs().max()) <= 4 * 4 * step / 2 + rounding
    for one, other in zip(plain.rounds[1:], secure.rounds[1:], strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-6) and one.sites == other.sites


def test_an_update_longer_than_the_norm_is_shortened_at_the_site(trained: Callable[..., Any]) -> None:
    by_norm = {
        norm: trained(*SECURE, f"aggregation.norm={norm}", "rounds=1")[0].shared["head.weight"]
        for norm in (0.001, 0.002)
    }
    assert (
        0.0005 < float((by_norm[0.002] - by_norm[0.001]).norm()) <= 0.00101
    )  # the mean of four in about one direction


def test_a_number_out_of_range_is_refused_by_name(trained: Callable[..., Any]) -> None:
    with pytest.raises(RoundError, match="secure-range"):
        trained(*SECURE, "features.scale=common", "aggregation.range=1e-6")


def test_all_that_leaves_a_site_is_names_and_uniform_words(trained: Callable[..., Any]) -> None:
    """Of each answer that is summed: the site's name, the plan's digest, the layout, a new public key and the words;
    over all of them the words' bytes are as often each of 256 values as chance has it."""
    _, answering, plan = trained(*SECURE, "features.scale=common", "initial=ridge")
    words = []
    for reply in answering.replies:
        if not reply.has_content() or "secure" not in reply.content or "parts" not in reply.content["secure"]:
            continue
        record = reply.content["secure"]
        assert set(reply.content) == {"site", "secure"} and set(reply.content["site"]) == {"name", "plan"}
        assert set(record) <= {"parts", "mask-key", "narrow", "wide"}
        words.append(unpack_words(reply.content).vector)
    assert len(words) == 4 * (1 + 1 + 2 + 1) + 4 * (len(plan.initial.options.get("alpha", ())) or 0)
    sent = np.concatenate([np.concatenate([one.narrow.view(np.uint8), one.wide.view(np.uint8)]) for one in words])
    assert len(sent) > 100_000 and chisquare(np.bincount(sent, minlength=256)).pvalue > 1e-4


def test_a_site_answers_in_a_secure_sum_or_not_at_all(trained: Callable[..., Any]) -> None:
    """Each question of a run, sent again without its record on the sum, and again with it."""
    kept: list[Message] = []

    def keep(message: Message, reply: Message) -> Message:
        kept.append(message)
        return reply

    _, answering, _ = trained(*SECURE, "features.scale=common", "initial=ridge", tamper={0: keep})
    app = build(MessageHandler(answering.workspace, answering.sites))
    context = answering_context()
    summed = [
        one for one in kept if one.metadata.message_type not in ("query.prepare", "query.backbone", "query.secure")
    ]
    assert {one.metadata.message_type for one in summed} == {"query.moments", "query.sums", "train", "evaluate"}
    for message in summed:
        bare = RecordDict({name: record for name, record in message.content.items() if name != "secure"})
        for content in (bare, message.content):
            again = Message(content, message.metadata.dst_node_id, message.metadata.message_type)
            reply = app(again, context)
            assert reply.has_error() and reply.error.reason == "fedgraft:secure", message.metadata.message_type


def answering_context() -> Any:

    return Context(run_id=1, node_id=1000, node_config={"partition-id": 0}, state=RecordDict(), run_config={})


def test_a_site_that_withholds_has_no_part_in_the_sum(
    compose_plan: Composer, patients: Any, tmp_path: Any, hospital: Callable[..., Any]
) -> None:
    plan = compose_plan(*words_over(COLUMNS), "rounds=1", *SECURE, "features.scale=common", small=False)
    closed = "release: {min_patients: 1, statistics: false}\n"
    sites = [
        hospital(tmp_path / f"site-{k:02}", patients, some, closed if k == 2 else OPEN)
        for k, some in enumerate(dealt(patients, 4))
    ]
    context = context_over(plan, Tampered(sites))
    outcome = run(context)
    refused = [(one.what, one.site, one.reason) for one in context.ledger.entries if one.outcome != "ok"]
    assert [line[:2] for line in refused] == [("moments", "site-02")] and "`secure-withheld`" in refused[0][2]
    assert outcome.rounds[-1].sites == ("site-00", "site-01", "site-02", "site-03")
    others = np.concatenate([some for k, some in enumerate(dealt(patients, 4)) if k != 2])
    rows = patients.rows[others][~patients.is_val[others]]
    assert outcome.shared["scale.mean"].double().numpy() == pytest.approx(rows.mean(0), abs=1e-6)


@pytest.mark.parametrize("rules", ["secure: {at_least: 5}\n", "secure: {known: ['ecdsa-sha2-nistp384 AAAA']}\n"])
def test_a_site_refuses_few_or_unknown_others(
    compose_plan: Composer, patients: Any, tmp_path: Any, hospital: Callable[..., Any], rules: str
) -> None:
    plan = compose_plan(*words_over(COLUMNS), "rounds=1", *SECURE, small=False)
    sites = [
        hospital(tmp_path / f"site-{k:02}", patients, some, OPEN + (rules if k == 0 else ""))
        for k, some in enumerate(dealt(patients, 4))
    ]
    context = context_over(plan, Tampered(sites))
    assert run(context).rounds[-1].sites == ("site-01", "site-02", "site-03")
    code = "secure-few" if "at_least" in rules else "secure-unknown"
    refused = [one for one in context.ledger.entries if one.outcome != "ok"]
    assert {one.site for one in refused} == {"site-00"} and f"`{code}`" in refused[0].reason


def test_a_site_may_require_secure_sums(
    compose_plan: Composer, patients: Any, tmp_path: Any, hospital: Callable[..., Any]
) -> None:
    plan = compose_plan(*words_over(COLUMNS), "rounds=1", *PLAIN, small=False)
    rules = OPEN + "secure: {required: true}\n"
    sites = [hospital(tmp_path / f"site-{k:02}", patients, some, rules) for k, some in enumerate(dealt(patients, 2))]
    with pytest.raises(RoundError, match="site reported `secure`"):
        run(context_over(plan, Tampered(sites)))
