"""``releases.db`` in a site's state folder: over which patients what was answered, and who is in which part.

It holds keyed marks (`fedgraft.client.account.secret`), never a name, a path or a number of a case. SQLite writes each
change to the disk before an answer leaves, and a process that is killed in the middle leaves the state before it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.account.combinations import Members, Owners
from fedgraft.client.account.secret import Secret
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import private_folder

FILE = "releases.db"
_WAIT = 60.0
"""Seconds for which one message waits for another one's change."""
_TABLES = (
    "about (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "patients (id INTEGER PRIMARY KEY, mark BLOB NOT NULL UNIQUE, part TEXT)",
    "lines (id INTEGER PRIMARY KEY, mark BLOB NOT NULL UNIQUE, patient INTEGER NOT NULL, stratum INTEGER NOT NULL)",
    "sets (id INTEGER PRIMARY KEY, members BLOB NOT NULL UNIQUE)",
    "answers (family TEXT NOT NULL, quantity TEXT NOT NULL, members INTEGER NOT NULL, "
    "PRIMARY KEY (family, quantity, members)) WITHOUT ROWID",
    "runs (run TEXT NOT NULL, part TEXT NOT NULL, members INTEGER NOT NULL, PRIMARY KEY (run, part)) WITHOUT ROWID",
)

Ids = NDArray[np.int64]


class Line(NamedTuple):
    """A line of the manifest, as the account knows it.

    Attributes:
        mark: keyed, 16 bytes; another one if the line's label or another cell changes.
        patient: the patient's keyed mark.
        stratum: a keyed number for lines whose patients wait for each other.
    """

    mark: bytes
    patient: bytes
    stratum: int


class Book:
    """The account's file, or one in memory.

    Args:
        file: made if it is not there, for this account only; ``None`` for memory.
        secret: the site's; a file that was written with another one is refused.

    Raises:
        DataError: the file is damaged, or belongs to another secret.
    """

    def __init__(self, file: Path | None, secret: Secret) -> None:
        self._file = file
        try:
            self._base = _opened(file)
            with self.changing():  # one write to the disk, not one for each table
                for table in _TABLES:
                    self._base.execute(f"CREATE TABLE IF NOT EXISTS {table}")
                self._check(secret.mark("account"))
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # no space, no permission, or locked: not its content
                raise
            raise DataError(
                f"{file} is damaged: it is the account of what this site has answered; bring it back from a copy of "
                "the state folder"
            ) from None

    def _check(self, mark: bytes) -> None:
        held = self._base.execute("SELECT value FROM about WHERE name = 'secret'").fetchone()
        if held is None:
            self._base.execute("INSERT INTO about VALUES ('secret', ?)", (mark,))
        elif held[0] != mark:
            raise DataError(
                f"{self._file} was written with another secret than the state folder's: bring back the site.secret "
                "that belongs to it"
            )

    def close(self) -> None:
        self._base.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Within the block, nobody else changes the book; all of the block's changes are kept, or none."""
        if self._base.in_transaction:
            yield
            return
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    # --- patients and lines

    def parts(self) -> dict[bytes, str]:
        """The part of each patient that has one, by mark."""
        return dict(self._base.execute("SELECT mark, part FROM patients WHERE part IS NOT NULL"))

    def keep_parts(self, parts: Mapping[bytes, str]) -> None:
        """Keep patients' parts for good; one that is kept stays."""
        self._base.executemany(
            "INSERT INTO patients (mark, part) VALUES (?, ?) "
            "ON CONFLICT (mark) DO UPDATE SET part = coalesce(part, excluded.part)",
            list(parts.items()),
        )

    def enter(self, lines: Sequence[Line]) -> dict[bytes, int]:
        """The number of each line by mark, from 0; new lines get one."""
        known = self.numbers()
        fresh = [line for line in dict.fromkeys(lines) if line.mark not in known]
        if fresh:
            with self.changing():
                patients = [(line.patient,) for line in fresh]
                self._base.executemany("INSERT OR IGNORE INTO patients (mark) VALUES (?)", patients)
                numbers = dict(self._base.execute("SELECT mark, id FROM patients"))
                rows = [(line.mark, numbers[line.patient], line.stratum) for line in fresh]
                self._base.executemany("INSERT OR IGNORE INTO lines (mark, patient, stratum) VALUES (?, ?, ?)", rows)
            known = self.numbers()
        return {line.mark: known[line.mark] for line in lines}

    def numbers(self) -> dict[bytes, int]:
        """The number of each line that the book knows, by mark."""
        return {mark: number - 1 for mark, number in self._base.execute("SELECT mark, id FROM lines")}

    def owners(self) -> tuple[Owners, Ids]:
        """The patient and the stratum of each line."""
        rows = self._base.execute("SELECT patient, stratum FROM lines ORDER BY id").fetchall()
        table = np.array(rows, np.int64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    # --- sets

    def has(self, family: str, quantity: str, members: Members) -> bool:
        """Whether exactly this was answered before."""
        query = (
            "SELECT 1 FROM answers WHERE family = ? AND quantity = ? AND members = (SELECT id FROM sets WHERE "
            "members = ?)"
        )
        return self._base.execute(query, (family, quantity, _packed(members))).fetchone() is not None

    def known(self, family: str, lines: int) -> Members:
        """The different sets of a family, ``(K, lines)``, in the order in which they were first answered."""
        query = (
            "SELECT DISTINCT sets.id, sets.members FROM answers JOIN sets ON sets.id = answers.members "
            "WHERE family = ? ORDER BY sets.id"
        )
        found = [_unpacked(packed, lines) for _, packed in self._base.execute(query, (family,))]
        return np.stack(found) if found else np.zeros((0, lines), np.bool_)

    def note(self, family: str, quantity: str, members: Members) -> None:
        """Note that something is answered over a set."""
        number = self._number(members)
        self._base.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (family, quantity, number))

    def of_run(self, run: str, part: str, lines: int) -> Members | None:
        """The set that took part in a run last."""
        query = "SELECT sets.members FROM runs JOIN sets ON sets.id = runs.members WHERE run = ? AND part = ?"
        held = self._base.execute(query, (run, part)).fetchone()
        return None if held is None else _unpacked(held[0], lines)

    def keep_run(self, run: str, part: str, members: Members) -> None:
        self._base.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (run, part, self._number(members)))

    def runs_of_patients(self) -> dict[bytes, list[str]]:
        """By patient's mark: the runs in which one of its lines took part, in any part, as it was last."""
        lines = self._base.execute(
            "SELECT patients.mark FROM lines JOIN patients ON patients.id = lines.patient ORDER BY lines.id"
        )
        owners = [mark for (mark,) in lines]
        found: dict[bytes, list[str]] = {}
        rows = self._base.execute(
            "SELECT runs.run, sets.members FROM runs JOIN sets ON sets.id = runs.members ORDER BY run"
        )
        for run, packed in rows.fetchall():
            for place in np.flatnonzero(_unpacked(packed, len(owners))):
                runs = found.setdefault(owners[place], [])
                if run not in runs[-1:]:
                    runs.append(run)
        return found

    def answers(self) -> int:
        """How many different answers the book holds."""
        return int(self._base.execute("SELECT count(*) FROM answers").fetchone()[0])

    def _number(self, members: Members) -> int:
        packed = _packed(members)
        self._base.execute("INSERT OR IGNORE INTO sets (members) VALUES (?)", (packed,))
        return int(self._base.execute("SELECT id FROM sets WHERE members = ?", (packed,)).fetchone()[0])


def _opened(file: Path | None) -> sqlite3.Connection:
    if file is None:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if not file.exists():
        private_folder(file.parent)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    base = sqlite3.connect(file, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    return base


def _packed(members: Members) -> bytes:
    """Bits without the zeros at the end, so that a set looks the same when there are more lines."""
    return np.packbits(members, bitorder="little").tobytes().rstrip(b"\0")


def _unpacked(packed: bytes, lines: int) -> Members:
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[:lines]
    found = np.zeros(lines, np.bool_)
    found[: len(bits)] = bits
    return found
