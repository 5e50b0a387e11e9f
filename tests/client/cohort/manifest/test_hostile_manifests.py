"""Hostile manifests: none crashes or hangs a reader that may take 1 GB, and no message quotes a cell.

All are read by one child process with that limit; a crash or a lack of memory there fails the test.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

pytestmark = pytest.mark.processes

CHILD = """
import json, sys
from pathlib import Path
import pyarrow.parquet
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError
for name in json.load(sys.stdin):
    try:
        said = f"{len(read_manifest(Path(name)))} cases"
    except DataError as error:
        said = str(error)
    print(json.dumps(said), flush=True)
"""
GIGABYTE = 1 << 30
GOOD = (
    "path,row,label,patient,group,split,age,note\n"
    'SECRET/1.png,,SECRETa,SECRET1,SECRETg,train,63,"SECRET, ""x"""\n'
    "SECRET/2.npz::SECRET,7,SECRETa,SECRET2,,val,-1.5,'=SECRET\n"
    "/SECRET/3.dcm,,SECRETb,SECRET3,,test,,äSECRET\n"
)
INSERTED = (
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"'",
    b"=",
    b"\xff",
    b"\xef\xbb\xbf",
    b"../",
    b"::",
    b"\xc2",
    b";",
    b"1e999",
)


def read_all(files: list[Path]) -> list[str]:
    """What the child says of each file."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps([str(file) for file in files]),
        env={**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIGABYTE, GIGABYTE)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"file {len(said)}: {child.returncode}, {child.stderr[-500:]}"
    assert child.stderr == ""
    return said


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four random changes: a bit, a piece put in, cut out, doubled, or the end cut off."""
    for _ in range(rng.integers(1, 5)):
        at, length = int(rng.integers(0, len(content) + 1)), int(rng.integers(1, 30))
        kind = rng.integers(0, 5)
        before, piece, after = content[:at], content[at : at + length], content[at + length :]
        if kind == 0 and piece:
            content = before + bytes([piece[0] ^ (1 << int(rng.integers(0, 8)))]) + piece[1:] + after
        elif kind == 1:
            content = before + INSERTED[rng.integers(0, len(INSERTED))] + piece + after
        elif kind == 2:
            content = before + after
        elif kind == 3:
            content = before + piece + piece + after
        elif rng.uniform() < 0.2:
            content = before
    return content


def good_parquet(path: Path) -> Path:
    table = pa.table(
        {
            "path": [f"SECRET/{number}.png" for number in range(50)],
            "label": ["SECRETa", "SECRETb"] * 25,
            "patient": [f"SECRET{number}" for number in range(50)],
            "age": [None if number % 7 == 0 else float(number) for number in range(50)],
            "ill": [number % 2 == 0 for number in range(50)],
        }
    )
    parquet.write_table(table, path)
    return path


@pytest.mark.parametrize(("kind", "count"), [("csv", 1500), ("parquet", 500)])
def test_mutations(tmp_path: Path, kind: str, count: int) -> None:
    content = GOOD.encode() if kind == "csv" else good_parquet(tmp_path / "good").read_bytes()
    rng = np.random.default_rng(2026)
    files = [tmp_path / f"{number}.{kind}" for number in range(count)]
    for file in files:
        file.write_bytes(mutated(content, rng))
    said = read_all(files)
    outcomes = Counter("read" if one.endswith("cases") else "refused" for one in said)
    assert len(said) == count and min(outcomes["read"], outcomes["refused"]) > count / 20
    assert not [one for one in said if "ECR" in one]


def attacks(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files, and what must be said of each."""

    def written(name: str, content: str | bytes) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    head = "path,label,patient"
    yield written("columns", ",".join(f"SECRET{number}" for number in range(1_000_000))), "longer than 1000000 bytes"
    yield written("narrow-columns", "," * 999_000 + "patient\n"), "columns; 4096 are the most"
    yield written("cells", f"{head}\n{',' * 999_000}\n"), "lists no case"
    yield written("many-cells", f"{head}\n{'1,' * 400_000}\n"), "line 2 has 400001 cells, but the first line 3"
    yield written("quotes", f'{head}\n1,a,"SECRET' + "x\n" * 10_000_000), "line 2: a quote is not closed on its line"
    yield written("open-records", f"{head}\n" + '"\n",' * 5_000_000), "line 2: a quote is not closed on its line"
    yield written("cell", f"{head}\n1,a,{'SECRET' * 100_000}\n"), "a cell of more than 131072 characters"
    yield written("blank", f"{head}\n" + "\n" * 3_000_000 + "1,a,SECRET\n"), "line 2 is empty; delete it"
    yield written("traversal", f"{head}\n../../../../etc/SECRET,a,p\n"), "line 2: `path` leaves the manifest's folder"
    yield written("nul-path", f"{head}\nSECRET\0.png,a,p\n"), "line 2 holds a NUL character"
    yield written("utf-32", GOOD.encode("utf-32")), "is UTF-16 text"
    yield written("utf-7", b"+AHAAYQB0AGg-,label,patient\n1,a,SECRET\n"), "1 cases"
    yield written("shift-jis", f"{head}\n1,患,SECRET\n".encode("shift-jis")), "line 2 is not UTF-8 text"
    yield written("digits", f"path,row,label,patient\n1,{'9' * 5_000},a,SECRET\n"), "`row` must be a whole number"
    yield written("surrogate", f"{head}\n1,a,".encode() + b"\xed\xa0\x80\n"), "line 2 is not UTF-8 text"
    yield written("deep", f"{head}\n{'a/' * 20_000}SECRET,a,p\n"), "`path` is longer than a file's name can be"
    yield Path("/dev/zero"), "does not exist"
    os.mkfifo(folder / "fifo")
    yield folder / "fifo", "does not exist"
    with (folder / "line").open("wb") as stream:
        stream.truncate(3 << 30)  # a line of 3 GB, of NUL characters that take no room on the disk
    yield folder / "line", "line 1 is longer than 1000000 bytes"


def parquet_attacks(folder: Path) -> Iterator[tuple[Path, str]]:
    def written(name: str, **columns: object) -> Path:
        parquet.write_table(pa.table(columns), folder / name)
        return folder / name

    many = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int32)), ["SECRET" * 20_000])
    alike = pa.array(np.arange(200_000))
    yield written("repeated", patient=alike, x=many, y=many), "200000 cases"  # 48 GB if each cell were held
    yield written("patients", patient=many), "the lines up to here take more than 800000000 bytes of memory"
    huge = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int32)), ["SECRET" * 2_000_000])
    yield written("huge-cell", patient=huge), "column 1 holds a cell of more than 131072 bytes"
    yield written("wide", **{f"SECRET{number}": [0] for number in range(20_000)}), "has 20000 columns; 4096 are the"
    yield written("group", patient=pa.array(["SECRET" * 5_000 + str(n) for n in range(9_000)])), "more than 250000000"
    (folder / "magic").write_bytes(b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1")
    yield folder / "magic", "is not a Parquet file that can be read"


@pytest.mark.parametrize("kind", [attacks, parquet_attacks])
def test_attacks(tmp_path: Path, kind: Callable[[Path], Iterator[tuple[Path, str]]]) -> None:
    files, expected = zip(*kind(tmp_path), strict=True)
    said = read_all(list(files))
    assert [(file.name, text) for file, text, one in zip(files, expected, said, strict=True) if text not in one] == []
    assert not [one for one in said if "ECR" in one]
