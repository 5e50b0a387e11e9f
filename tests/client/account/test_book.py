"""The account's file: what is kept, over restarts, kills and damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.account.book import FILE, Book, Line
from fedgraft.client.account.secret import Secret
from fedgraft.common.errors import DataError

SECRET = Secret("a" * 64)
LINES = [Line(bytes([n] * 16), bytes([100 + n // 2] * 16), n % 3) for n in range(6)]
SOME = np.array([True, False, True, True, False, False])


def test_lines_get_numbers_once(tmp_path: Path) -> None:
    book = Book(tmp_path / FILE, SECRET)
    assert list(book.enter(LINES[:4]).values()) == [0, 1, 2, 3]
    again = Book(tmp_path / FILE, SECRET)
    assert again.enter([LINES[5], LINES[0], LINES[4]]) == {LINES[5].mark: 4, LINES[0].mark: 0, LINES[4].mark: 5}
    owners, strata = again.owners()
    assert owners.tolist() == [1, 1, 2, 2, 3, 3] and strata.tolist() == [0, 1, 2, 0, 2, 1]


def test_a_patient_s_part_is_kept_for_good(tmp_path: Path) -> None:
    book = Book(tmp_path / FILE, SECRET)
    book.enter(LINES)
    book.keep_parts({LINES[0].patient: "train", b"new": "val"})
    book.keep_parts({LINES[0].patient: "test"})
    assert Book(tmp_path / FILE, SECRET).parts() == {LINES[0].patient: "train", b"new": "val"}


def test_answers_are_found_again_by_their_set(tmp_path: Path) -> None:
    book = Book(tmp_path / FILE, SECRET)
    book.enter(LINES)
    book.note("training", "update", SOME)
    book.note("training", "moments", SOME)
    book.note("training", "update", ~SOME)
    again = Book(tmp_path / FILE, SECRET)
    assert again.has("training", "update", SOME) and again.has("training", "update", np.pad(SOME, (0, 9)))
    assert not again.has("training", "sums", SOME) and not again.has("evaluation.val", "update", SOME)
    assert again.known("training", 6).tolist() == [SOME.tolist(), (~SOME).tolist()], "each set once"
    assert again.known("training", 8).shape == (2, 8) and again.known("other", 6).shape == (0, 6)
    assert again.answers() == 3


def test_it_is_private_and_holds_no_name(tmp_path: Path) -> None:
    state = tmp_path / "state"
    book = Book(state / FILE, SECRET)
    book.enter([Line(SECRET.mark("line", "p-secret"), SECRET.mark("patient", "p-secret"), 1)])
    files = list(state.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600} and state.stat().st_mode & 0o777 == 0o700
    assert not any(b"p-secret" in file.read_bytes() for file in files)


def test_one_killed_in_the_middle_of_writing_leaves_what_was_before(tmp_path: Path) -> None:
    book = Book(tmp_path / FILE, SECRET)
    book.enter(LINES)
    book.note("training", "update", SOME)
    code = (
        "import sys, time, numpy as np; from pathlib import Path\n"
        "from fedgraft.client.account.book import Book; from fedgraft.client.account.secret import Secret\n"
        f"book = Book(Path(sys.argv[1]), Secret({SECRET.text!r}))\n"
        "with book.changing():\n"
        " book.note('training', 'update', np.ones(6, bool)); book.keep_parts({b'x': 'val'})\n"
        " print('written', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / FILE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    again = Book(tmp_path / FILE, SECRET)
    assert again.known("training", 6).tolist() == [SOME.tolist()] and again.parts() == {}
    again.note("training", "update", np.ones(6, bool))
    assert again.answers() == 2, "nothing is locked"


def test_an_error_keeps_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path / FILE, SECRET)
    with pytest.raises(RuntimeError), book.changing(), book.changing():
        book.keep_parts({b"x": "val"})
        raise RuntimeError
    assert book.parts() == {}


def test_another_secret_is_refused(tmp_path: Path) -> None:
    Book(tmp_path / FILE, SECRET)
    with pytest.raises(DataError, match=r"releases\.db was written with another secret than the state folder's"):
        Book(tmp_path / FILE, Secret("b" * 64))


def test_a_damaged_file_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match=r"releases\.db is damaged: it is the account of what this site has answered"):
        Book(tmp_path / FILE, SECRET)
    assert (tmp_path / FILE).read_bytes() == b"no database" * 100


def test_in_memory(tmp_path: Path) -> None:
    book = Book(None, SECRET)
    book.enter(LINES)
    book.note("training", "update", SOME)
    assert book.known("training", 6).tolist() == [SOME.tolist()] and not list(tmp_path.iterdir())
