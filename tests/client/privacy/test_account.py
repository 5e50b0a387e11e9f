"""A site's account of what it told: charged as a whole, refused when spent, and not to be changed unseen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fedgraft.client.account.privacy import FILE, PrivacyAccount, spent
from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.common.errors import DataError, PrivacySpentError
from fedgraft.common.privacy.accountant import Release, epsilon
from fedgraft.common.runtime.files import append_json

RUN = (Release(6.0), Release(30.0, 100))  # epsilon 1.44 at 1e-5; twice 2.11, three times 2.65
DAY = 86400.0


def test_runs_add_up_until_the_budget_is_spent(tmp_path: Path) -> None:
    account, budget = PrivacyAccount(tmp_path), PrivacyBudget(2.5, 1e-5, "year")
    account.charge(1, "p", RUN, budget, now=0.0)
    one = spent(account.charges(), 1e-5)
    account.charge(2, "p", RUN, budget, now=DAY)
    both = spent(account.charges(), 1e-5)
    assert one < both < 2 * one, "composed, which is less than added"
    with pytest.raises(PrivacySpentError, match=r"would bring .* to an epsilon of 2.65.*is 2.5 per year .*too much"):
        account.charge(3, "p", RUN, budget, now=2 * DAY)
    assert len(account.charges()) == 2, "a run that is refused costs nothing"


def test_a_year_later_the_budget_is_there_again(tmp_path: Path) -> None:
    account = PrivacyAccount(tmp_path)
    account.charge(1, "p", RUN, PrivacyBudget(1.7), now=0.0)
    account.charge(2, "p", RUN, PrivacyBudget(1.7), now=367 * DAY)
    with pytest.raises(PrivacySpentError):
        account.charge(3, "p", RUN, PrivacyBudget(1.7, per="site"), now=3670 * DAY)


def test_the_same_run_is_charged_once_whoever_asks(tmp_path: Path) -> None:
    for _ in range(3):
        PrivacyAccount(tmp_path).charge(1, "p", RUN, PrivacyBudget(1.7))
    assert PrivacyAccount(tmp_path).releases(1, "p") == RUN
    assert PrivacyAccount(tmp_path).releases(1, "other") is None


def test_a_run_gets_as_many_answers_as_it_was_charged_with(tmp_path: Path) -> None:
    account = PrivacyAccount(tmp_path)
    with pytest.raises(PrivacySpentError):
        account.answer(1, "p", "gradient", 2)
    account.charge(1, "p", RUN, None)
    account.answer(1, "p", "gradient", 2)
    PrivacyAccount(tmp_path).answer(1, "p", "gradient", 2)
    account.answer(1, "p", "counts", 1)
    with pytest.raises(PrivacySpentError, match=r"charged with 2 answer\(s\) of the kind `gradient`, and 2 were given"):
        account.answer(1, "p", "gradient", 2)


def test_what_another_process_noted_counts(tmp_path: Path) -> None:
    """Each has read the account before the other writes to it; another run's lines lie between."""
    one, other = PrivacyAccount(tmp_path), PrivacyAccount(tmp_path)
    for run in (1, 2):
        one.charge(run, "p", RUN, None)
    for account in (one, other, one):
        account.answer(1, "p", "gradient", 3, sum_key="k1")  # noted once
        account.answer(2, "p", "gradient", 3)
    one.answer(1, "p", "gradient", 3)
    other.answer(1, "p", "gradient", 3)
    for account in (one, other):
        with pytest.raises(PrivacySpentError, match="and 3 were given"):
            account.answer(1, "p", "gradient", 3)


def test_a_line_that_is_changed_after_it_was_read_is_found_by_who_reads_it(tmp_path: Path) -> None:
    account, file = PrivacyAccount(tmp_path), tmp_path / FILE
    account.charge(1, "p", RUN, None)
    for _ in range(3):
        account.answer(1, "p", "gradient", 9)
    file.write_text(file.read_text().replace("gradient", "gradiend", 1))
    account.answer(1, "p", "gradient", 9)
    for wrong in (PrivacyAccount(tmp_path).charges, lambda: account.charge(2, "p", RUN, None)):
        with pytest.raises(DataError, match="line 2: the account of what was told was changed"):
            wrong()


def test_an_account_that_is_cut_off_is_read_anew(tmp_path: Path) -> None:
    account, file = PrivacyAccount(tmp_path), tmp_path / FILE
    account.charge(1, "p", RUN, None)
    for _ in range(3):
        account.answer(1, "p", "gradient", 3)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    account.answer(1, "p", "gradient", 3)
    assert len(file.read_text().splitlines()) == 3


def test_an_answer_looks_at_its_own_run_and_a_charge_at_all(tmp_path: Path) -> None:
    account, file = PrivacyAccount(tmp_path), tmp_path / FILE
    for run in (1, 2):
        account.charge(run, "p", RUN, None)
        account.answer(run, "p", "gradient", 3)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1].replace("gradient", "counts"), *lines[2:]]) + "\n")
    account.answer(2, "p", "gradient", 3)
    assert account.charged(2, "p").run == 2
    for asks in (lambda: account.charge(3, "p", RUN, None), lambda: account.answer(1, "p", "counts", 3)):
        with pytest.raises(DataError, match="line 2: the account of what was told was changed or cut off"):
            asks()


def test_what_is_told_of_other_patients_is_in_the_account_and_costs_no_more(tmp_path: Path) -> None:
    account, enough = PrivacyAccount(tmp_path), (Release(3.0),)  # 1/9 against 1/36 + 100/900 = 5/36
    account.charge(1, "p", RUN, PrivacyBudget(1.7), apart=enough)
    (charge,) = PrivacyAccount(tmp_path).charges()
    assert (charge.releases, charge.apart) == (RUN, enough) and account.charged(1, "p") == charge
    assert spent([charge], 1e-5) == epsilon(RUN, 1e-5) > epsilon(enough, 1e-5)
    with pytest.raises(PrivacySpentError, match="more would be told of patients apart from training than the run is"):
        account.charge(2, "p", RUN, None, apart=(Release(2.0),))


@pytest.mark.parametrize("change", ["noise", "line", "text"])
def test_a_changed_account_is_noticed(tmp_path: Path, change: str) -> None:
    account = PrivacyAccount(tmp_path)
    for run in (1, 2, 3):
        account.charge(run, "p", RUN, None)
    lines = (tmp_path / FILE).read_text().splitlines()
    if change == "noise":
        lines[1] = json.dumps({**json.loads(lines[1]), "releases": [[600.0, 1]]})
    elif change == "line":
        del lines[1]
    else:
        lines[1] = lines[1][:20]
    (tmp_path / FILE).write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="line 2: the account of what was told was changed or cut off"):
        account.charges()


def test_an_account_of_an_older_version_is_read_and_the_chain_goes_on_behind_it(tmp_path: Path) -> None:
    """Its lines held ``digest``: SHA-256 over the digest before, 64 zeros at first, and the line."""
    before, file = "0" * 64, tmp_path / FILE
    for run in (1, 2):
        line = {"time": 0.0, "what": "run", "run": run, "plan": "p", "releases": [[6.0, 1, 1]]}
        before = hashlib.sha256((before + json.dumps(line, sort_keys=True)).encode()).hexdigest()
        append_json(file, {**line, "digest": before})
    older, account = file.read_text(), PrivacyAccount(tmp_path)
    account.charge(3, "p", RUN, None)
    assert [one.run for one in account.charges()] == [1, 2, 3]
    assert file.read_text().startswith(older) and "digest" not in file.read_text().splitlines()[2]
    for changed in (older.replace("6.0", "60.0"), older.replace('"run": 2', '"run": 4')):
        file.write_text(changed)
        with pytest.raises(DataError, match=r"line [12]: the account of what was told was changed or cut off"):
            account.charges()
