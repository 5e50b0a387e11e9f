"""Parts are called as a person chooses them."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml
from flwr.serverapp.strategy import Bulyan, FedAvg, FedMedian

from fedgraft.common.heads.heads import Cosine
from fedgraft.common.plan.choice_names import choice_of, choice_of_part

FOLDERS = ("adapt", "adaptation", "alignment", "compression", "head", "initial", "loss", "personal", "sampling")
CHOICES = [(folder, file.name) for folder in FOLDERS for file in (files("fedgraft.conf") / folder).iterdir()]


@pytest.mark.parametrize(("group", "file"), CHOICES, ids=str)
def test_every_choice_is_known_by_what_it_says(group: str, file: str) -> None:
    section = yaml.safe_load((files("fedgraft.conf") / group / file).read_text(encoding="utf-8"))
    section = section.get(group, section)
    if (target := section.pop("_target_")) is not None:
        assert f"{choice_of(group, target, section)}.yaml" == file


def test_one_class_of_two_choices_goes_by_the_options() -> None:
    target = "fedgraft.common.adaptation.batch_norm.LocalBatchNorm"
    assert choice_of("adaptation", target, {"affine": "local"}) == "fedbn"
    assert choice_of("adaptation", target, {"affine": "shared"}) == "silobn"


def test_a_part_goes_by_itself_also_where_a_package_passes_it_on() -> None:
    assert choice_of_part("head", Cosine) == "cosine"
    assert (choice_of_part("strategy", FedAvg), choice_of_part("strategy", FedMedian)) == ("fedavg", "median")


def test_what_no_choice_names_keeps_its_own_name() -> None:
    assert choice_of("head", "ours.heads.Deep") == "Deep"
    assert choice_of("nowhere", "ours.heads.Deep") == "Deep"
    assert choice_of_part("strategy", Bulyan) == "Bulyan"
