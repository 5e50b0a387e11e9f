"""Names for cases in a site's own reports: stable there, and meaningless without its key."""

from __future__ import annotations

import hashlib
import hmac
import multiprocessing
import re
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.pseudonyms import KEY_BYTES, Pseudonyms
from fedgraft.common.errors import DataError

pytestmark = pytest.mark.processes

CASE = Case("/films/1.dcm", "x", "Doe^Jane", 3)


def key_of(state: Path) -> Path:
    return state / "case-names.key"


def test_a_name_is_a_keyed_hash_of_the_case_s_place(tmp_path: Path) -> None:
    """RFC 2104."""
    tmp_path.joinpath("case-names.key").write_bytes(bytes(range(32)))
    expected = hmac.new(bytes(range(32)), b"Doe^Jane\0/films/1.dcm\0" + b"3", hashlib.sha256).hexdigest()
    assert Pseudonyms(tmp_path).name(CASE) == f"case-{expected[:10]}"


def test_a_name_is_the_same_on_every_start_and_another_at_another_site(tmp_path: Path) -> None:
    here, again, elsewhere = (Pseudonyms(tmp_path / state).name(CASE) for state in ("here", "here", "elsewhere"))
    assert here == again != elsewhere
    assert re.fullmatch(r"case-[0-9a-f]{10}", here)
    plain = hashlib.sha256(b"Doe^Jane\0/films/1.dcm\0" + b"3").hexdigest()
    assert not plain.startswith(here[5:])


def test_cases_have_different_names_unless_they_lie_at_one_place(tmp_path: Path) -> None:
    name = Pseudonyms(tmp_path).name
    others = [replace(CASE, row=None), replace(CASE, row=4), replace(CASE, path="/a"), replace(CASE, patient="Doe")]
    assert len({name(case) for case in (CASE, *others)}) == 5
    assert name(replace(CASE, label="y", group="g", split="val", columns=(("sex", "F"),))) == name(CASE)
    assert name(replace(CASE, patient="\udcff\udc80"))  # a path that is not UTF-8 comes so from the system


def test_the_key_is_made_for_this_account_alone(tmp_path: Path) -> None:
    Pseudonyms(tmp_path / "state")
    key = key_of(tmp_path / "state")
    assert len(key.read_bytes()) == KEY_BYTES
    assert key.stat().st_mode & 0o777 == 0o600
    assert list(key.parent.iterdir()) == [key]


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_key_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty one would name cases by a hash that anybody can try out."""
    key_of(tmp_path).write_bytes(content)
    with pytest.raises(DataError) as caught:
        Pseudonyms(tmp_path)
    assert str(caught.value) == f"{key_of(tmp_path)} is damaged; remove it, and cases get new names"


def name_at_once(state: Path, barrier: Barrier, answer: Path) -> None:
    barrier.wait()
    answer.write_text(Pseudonyms(state).name(CASE), encoding="ascii")


@pytest.mark.timeout(60)
def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for turn in range(5):
        barrier, state = context.Barrier(4), tmp_path / f"state-{turn}"
        answers = [tmp_path / f"{turn}-{number}" for number in range(4)]
        started = [context.Process(target=name_at_once, args=(state, barrier, answer)) for answer in answers]
        for process in started:
            process.start()
        for process in started:
            process.join()
        assert {answer.read_text(encoding="ascii") for answer in answers} == {Pseudonyms(state).name(CASE)}
        assert list(state.iterdir()) == [key_of(state)]
