"""A mistyped word on the command line is answered with what may have been meant, and leaves no folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.simulations.commands import simulate


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["round=3"], ["round=3: round is not an option here (did you mean rounds?)"]),
        (["lr=0.1"], ["lr=0.1: lr is not an option here (did you mean train.lr?)"]),
        (
            ["data.cases_per_site=40"],
            [
                "data.cases_per_site=40: data.cases_per_site is not an option here (did you mean data.cases?); to give "
                "a part one of its own, write +data.cases_per_site=40"
            ],
        ),
        (
            ["strategy=fedporx", "adaptation=sff"],
            [
                "strategy=fedporx: there is no such strategy (did you mean fedprox?); choose one of centered_",
                "adaptation=sff: there is no such adaptation (did you mean ssf?); choose one of adaptformer, ",
            ],
        ),
        (["-m", "loss=focal,ldamm"], ["loss=ldamm: there is no such loss (did you mean ldam?); choose one of "]),
        (["loss=nothinglikeit"], ["loss=nothinglikeit: there is no such loss; choose one of "]),
        (
            ["--rounds", "3"],
            ["--rounds is not a flag of this command; options are written name=value, as rounds=..."],
        ),
        (["rounds=[1"], ["'rounds=[1' is not of the form name=value"]),
        (["rounds=three"], ["rounds='three': input should be a valid integer"]),
    ],
)
def test_what_may_have_been_meant(words: list[str], said: list[str]) -> None:
    with pytest.raises(PlanError) as found:
        simulate.main(words)
    assert len(found.value.problems) == len(said)
    for problem, begins in zip(found.value.problems, said, strict=True):
        assert problem.startswith(begins)
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert not [one for one in Path().rglob("*") if one.name == ".hydra"]
