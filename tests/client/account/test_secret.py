"""A site's secret: made once, private, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.account.secret import FILE, Secret, secret_of, write_seed
from fedgraft.common.errors import DataError


def test_it_is_made_once_and_is_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secret = secret_of(state)
    assert len(secret.text) == 64 and not secret.simulated
    assert (state / FILE).stat().st_mode & 0o777 == 0o600 and state.stat().st_mode & 0o777 == 0o700
    assert secret_of(state) == secret, "it survives a restart"
    assert secret_of(tmp_path / "other") != secret


def test_a_simulated_site_s_is_its_plan_s_seed(tmp_path: Path) -> None:
    write_seed(tmp_path, -7)
    assert secret_of(tmp_path) == Secret("-7", simulated=True)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "seed", "abc", "0" * 63, "seed 1.5", "Ä" * 64])
def test_a_damaged_one_is_refused_and_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(
        DataError, match=r"site\.secret is damaged: it decides who is in which part of the cohort; bring"
    ):
        secret_of(tmp_path)
    assert (tmp_path / FILE).read_text() == text


def test_marks_need_the_secret() -> None:
    one, other = Secret("a" * 64), Secret("b" * 64)
    assert one.mark("patient", "p1") == one.mark("patient", "p1") != other.mark("patient", "p1")
    assert one.mark("a", "bc") != one.mark("ab", "c") and len(one.mark("x")) == 16


def test_shares_are_even() -> None:
    drawn = np.array([Secret("7").share("part", str(n)) for n in range(4000)])
    assert np.histogram(drawn, 4, (0, 1))[0] == pytest.approx(1000, abs=120)  # four standard deviations
