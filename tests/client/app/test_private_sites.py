"""``privacy=site`` over the wire's messages: what leaves besides updates, and in secure sums the noise on these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.account.privacy import PrivacyAccount
from fedgraft.client.app.handlers import evaluate, prepare, train
from fedgraft.client.privacy.updates import noisy_update
from fedgraft.common.errors import PrivacyError, PrivacySpentError, SecureError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import site_noise_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.summed.kind import TENSOR, Arrays, Asked
from fedgraft.common.wire.summed.updates import Updates
from tests.client.app.test_private_answers import Composer, Hospital, fields, ready_for

WORDS = ("privacy=site", "data.cases=40", "rounds=2")
OF_NO_PATIENT = {"site.name", "site.plan"}


@pytest.fixture
def hospital(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose_plan: Composer
) -> Callable[..., Hospital]:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    return lambda *words, more="": Hospital(compose_plan(*WORDS, *words), tmp_path / "sites", more)


def asked_to_train(asked: Hospital) -> messages.RecordDict:
    config = messages.pack_config(asked.plan.digest, None)
    config["server-round"] = 1
    return messages.RecordDict({"arrays": messages.pack_tensors({**asked.narrow, **asked.given}), "config": config})


def test_nothing_leaves_but_the_update_and_every_site_counts_as_one_case(hospital: Callable[..., Hospital]) -> None:
    """Each field is of no patient (the number of cases is 1), or of the update."""
    asked = hospital()
    question = messages.pack_prepare(asked.plan.to_json(), asked.plan.digest, asked.model.backbone_name)
    offer = prepare(question, asked.workspace, asked.site, 7)
    assert fields(offer) == {*OF_NO_PATIENT, "site.has-backbone", "site.num-examples"}
    assert asked.prepare().examples == 1
    update = train(asked_to_train(asked), asked.workspace, asked.site, 7)
    told = {"arrays.head.weight", "arrays.head.bias", "metrics.num-examples", "site.round"}
    assert fields(update) == {*OF_NO_PATIENT, *told} and update["metrics"]["num-examples"] == 1
    order = messages.pack_evaluate({**asked.narrow, **asked.given}, asked.plan.digest, 2, None)
    assert fields(evaluate(order, asked.workspace, asked.site, 7)) == {*OF_NO_PATIENT, "site.round"}


def test_a_site_with_a_budget_needs_secure_sums_and_is_charged_for_twice_the_bound(
    hospital: Callable[..., Hospital],
) -> None:
    with pytest.raises(PrivacyError, match=r"the coordinator sees this site's updates without noise; .* aggr"):
        hospital(more="privacy: {epsilon: 100}\n").prepare()
    asked = hospital("aggregation=secure", more="privacy: {epsilon: 100}\n")
    asked.prepare()
    (charge,) = PrivacyAccount(asked.workspace.site(asked.site).state).charges()
    noise = site_noise_of(asked.plan)
    (told,) = charge.releases
    assert (told.noise, told.times, told.shared) == (noise.noise / 2, 2, True)


def arrays_of(asked: Hospital, scale: float) -> tuple[Arrays, Plan]:
    """What an update that moves the head by ``scale`` in each number gives to a sum."""
    moved = {name: tensor + scale for name, tensor in {**asked.narrow, **asked.given}.items()}
    update = messages.Update("alder", asked.plan.digest, 1, {name: moved[name] for name in asked.narrow}, 1, None, {})
    content = asked_to_train(asked)
    return Updates().arrays(messages.pack_update(update), Asked(content, asked.plan)), asked.plan


def length(arrays: Arrays) -> float:
    return float(np.sqrt(sum(np.square(arrays[name]).sum() for name in arrays if name.startswith(TENSOR))))


def test_an_update_in_a_sum_has_the_bound_s_length_and_its_part_of_the_noise(hospital: Callable[..., Hospital]) -> None:
    """The longest update is as long as the range, 64; of noise z each of two sites that must stay adds z / sqrt(2)."""
    asked = hospital("aggregation=secure", "privacy.clip=0.5")
    asked.prepare()
    longest, _ = arrays_of(asked, 9.0)
    assert length(longest) == pytest.approx(64.0, rel=1e-4)
    short, plan = arrays_of(asked, 1e-4)
    numbers = sum(tensor.numel() for tensor in asked.narrow.values())
    assert length(short) == pytest.approx(64 * 1e-4 * numbers**0.5 / 0.5, rel=1e-2)
    site = asked.workspace.site(asked.site)
    vault = asked.workspace.vault(site)
    with pytest.raises(SecureError, match="no keys for a secure sum"):
        noisy_update("train", longest, plan, vault, 7, site)
    ready_for(asked, 1)
    found = noisy_update("train", longest, plan, vault, 7, site)
    noise = np.concatenate([(found[name] - longest[name]).reshape(-1) for name in longest if name.startswith(TENSOR)])
    assert noise.std() == pytest.approx(64 * site_noise_of(plan).noise / 2**0.5, rel=0.15)
    assert all(found[name].dtype == np.float64 for name in found if name.startswith(TENSOR))
    noisy_update("train", longest, plan, vault, 7, site)  # of the same sum: it was killed before it left
    assert asked.lines() == ["run", "update"]
    for number in (2, 3):
        ready_for(asked, number)
        if number == 2:
            noisy_update("train", longest, plan, vault, 7, site)
    with pytest.raises(PrivacySpentError, match=r"charged with 2 answer\(s\) of the kind `update`, and 2 were given"):
        noisy_update("train", longest, plan, vault, 7, site)


def test_a_site_that_never_marks_a_finding_refuses_a_mean_with_noise(hospital: Callable[..., Hospital]) -> None:
    asked = hospital("data.task=multilabel", "loss=binary_cross_entropy", more="unmarked: [clear, lesion]\n")
    with pytest.raises(
        PrivacyError, match=r"`unmarked` in site.yaml has clear, lesion .* this site's would pull them back"
    ):
        asked.prepare()
