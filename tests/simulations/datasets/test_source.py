"""Public data sets: from a folder, the cache, a (loopback) publisher, or one error that says both ways."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.images.reader import CaseReader
from fedgraft.common.errors import DataError, PlanError
from fedgraft.simulations.datasets.busi import busi
from fedgraft.simulations.datasets.pneumoniamnist import pneumoniamnist
from fedgraft.simulations.datasets.source import data_root, fetch

CONTENT = b"published " * 20_000
Real = Callable[[str], Path]


class Publisher(BaseHTTPRequestHandler):
    """Has ``/file``; ``/short`` promises more than it gives; all else is 404."""

    content = CONTENT

    def do_GET(self) -> None:
        self.send_response(200 if self.path in ("/file", "/short") else 404)
        self.send_header("Content-Length", str(len(self.content) + 99 * (self.path == "/short")))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        server.daemon_threads = False  # wait for the answers at the end
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def small_npz(folder: Path) -> Path:
    """PneumoniaMNIST in the small: 6 + 3 to train (4 + 1 normal), 2 to test; image ``i`` is all ``i``."""
    file = folder / "pneumoniamnist" / "pneumoniamnist.npz"
    file.parent.mkdir(parents=True)
    labels = {"train": [0, 0, 0, 0, 1, 1], "val": [0, 1, 1], "test": [1, 0]}
    arrays = {f"{part}_labels": np.array(values, np.uint8)[:, None] for part, values in labels.items()}
    for part, values in labels.items():
        arrays[f"{part}_images"] = np.arange(len(values), dtype=np.uint8).repeat(16).reshape(-1, 4, 4)
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file


def test_data_root(tmp_path: Path) -> None:
    assert data_root({}) is None
    assert data_root({"FEDGRAFT_DATA": ""}) is None
    assert data_root({"FEDGRAFT_DATA": str(tmp_path)}) == tmp_path.resolve()
    with pytest.raises(DataError, match=r"FEDGRAFT_DATA=.*none is not a folder; unset it, or name the one"):
        data_root({"FEDGRAFT_DATA": str(tmp_path / "none")})


def test_fetch(tmp_path: Path, publisher: str) -> None:
    file = tmp_path / "new" / "file.bin"
    fetch(f"{publisher}/file", file, md5(CONTENT))
    assert file.read_bytes() == CONTENT
    assert [path.name for path in file.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/file", "md5 is [0-9a-f]{32}, not 0000; the download is damaged or the file has changed"),
        ("/nothing", r"the download failed \(HTTP Error 404"),
        ("/short", r"md5 is|the download failed"),
    ],
)
def test_fetch_errors_leave_nothing(tmp_path: Path, publisher: str, path: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fetch(publisher + path, tmp_path / "file.bin", "0000")
    assert list(tmp_path.iterdir()) == []


def test_fetch_without_a_server_or_with_another_scheme(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        port = server.server_port
    with pytest.raises(DataError, match="the download failed"):
        fetch(f"http://127.0.0.1:{port}/file", tmp_path / "x", "0", timeout=1.0)
    with pytest.raises(DataError, match="only https:// and http:// are downloaded"):
        fetch((tmp_path / "x").as_uri(), tmp_path / "y", "0")


def test_pneumoniamnist_of_a_folder(tmp_path: Path, read_case: CaseReader) -> None:
    file = small_npz(tmp_path / "root")
    source = pneumoniamnist(root=tmp_path / "root", cache=tmp_path / "cache", seed=0)
    assert source.site_of is None
    assert [case.label for case in source.cases] == ["normal"] * 4 + ["pneumonia"] * 2 + ["normal"] + ["pneumonia"] * 2
    assert [case.patient for case in source.cases] == [f"train-{i}" for i in range(6)] + [f"val-{i}" for i in range(3)]
    assert [(case.path, case.row, case.label) for case in source.test] == [
        (f"{file}::test_images", 0, "pneumonia"),
        (f"{file}::test_images", 1, "normal"),
    ]
    np.testing.assert_allclose(read_case(source.cases[5]).pixels, np.full((4, 4), 5 / 255), atol=1e-7)


def test_pneumoniamnist_keeps_equal_pixels_together(tmp_path: Path) -> None:
    small_npz(tmp_path)  # train images 0 to 2 are val images 0 to 2
    cases = pneumoniamnist(root=tmp_path, cache=tmp_path, seed=0).cases
    assert [case.unit for case in cases[:3]] == [case.unit for case in cases[6:]]
    assert len({case.unit for case in cases[:3]}) == 3
    assert [case.unit for case in cases[3:6]] == ["train-3", "train-4", "train-5"]


def test_pneumoniamnist_with_few_normals(tmp_path: Path) -> None:
    small_npz(tmp_path)
    full = pneumoniamnist(root=tmp_path, cache=tmp_path, seed=0)

    def thin(seed: int, normals: int) -> tuple[str, ...]:
        source = pneumoniamnist(root=tmp_path, cache=tmp_path, seed=seed, normals=normals)
        assert Counter(case.label for case in source.cases) == {"normal": normals, "pneumonia": 4}
        assert [case for case in full.cases if case in source.cases] == list(source.cases)
        assert source.test == full.test
        return tuple(case.patient for case in source.cases)

    assert thin(0, 2) == thin(0, 2)
    assert len({thin(seed, 2) for seed in range(20)}) > 3
    assert thin(0, 5) == tuple(case.patient for case in full.cases)
    for normals in (0, 6):
        with pytest.raises(PlanError, match=rf"data\.normals={normals} must be from 1 to 5, or null for all"):
            thin(0, normals)


def test_pneumoniamnist_is_downloaded_once(tmp_path: Path, publisher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = small_npz(tmp_path / "publisher").read_bytes()
    monkeypatch.setattr(Publisher, "content", content)
    cache = tmp_path / "cache"
    first = pneumoniamnist(root=None, cache=cache, seed=0, url=f"{publisher}/file", md5=md5(content))
    assert Path(first.cases[0].path.partition("::")[0]).read_bytes() == content
    assert pneumoniamnist(root=tmp_path, cache=cache, seed=0, url="https://not.needed") == first


def test_pneumoniamnist_nowhere_says_both_ways(tmp_path: Path, publisher: str) -> None:
    with pytest.raises(DataError) as caught:
        pneumoniamnist(root=None, cache=tmp_path, seed=0, url=f"{publisher}/nothing")
    text = str(caught.value)
    assert (
        "FEDGRAFT_DATA is not set; set FEDGRAFT_DATA to a folder that holds pneumoniamnist/pneumoniamnist.npz" in text
    )
    assert f"or put the file at {tmp_path}/pneumoniamnist/pneumoniamnist.npz" in text
    assert "the download failed" in text
    with pytest.raises(DataError, match=f"FEDGRAFT_DATA={tmp_path} does not hold pneumoniamnist/pneumoniamnist.npz"):
        pneumoniamnist(root=tmp_path, cache=tmp_path, seed=0, url=f"{publisher}/nothing")


def test_pneumoniamnist_with_wrong_labels(tmp_path: Path) -> None:
    file = small_npz(tmp_path)
    arrays = dict(np.load(file))
    arrays["train_labels"][0] = 2
    np.savez(file, **arrays)
    with pytest.raises(DataError, match="train_labels must hold a 0 or 1 for each of train_images"):
        pneumoniamnist(root=tmp_path, cache=tmp_path, seed=0)


def test_pneumoniamnist_itself(tmp_path: Path, real: Real, read_case: CaseReader) -> None:
    source = pneumoniamnist(root=real("pneumoniamnist"), cache=tmp_path, seed=0)
    assert Counter(case.label for case in source.cases) == {"normal": 1214 + 135, "pneumonia": 3494 + 389}
    assert Counter(case.label for case in source.test) == {"normal": 234, "pneumonia": 390}
    assert len({case.patient for case in (*source.cases, *source.test)}) == 5856
    grouped = [case for case in (*source.cases, *source.test) if case.group is not None]
    assert (len(grouped), len({case.group for case in grouped})) == (56, 27)
    assert not {case.group for case in source.test if case.group} & {case.group for case in source.cases}
    image = read_case(source.cases[-1]).pixels
    assert image.shape == (28, 28)
    assert 0 <= image.min() < image.max() <= 1


def labels_csv(folder: Path, text: str) -> Path:
    (folder / "busi").mkdir()
    (folder / "busi" / "labels.csv").write_text(text)
    return folder


def test_busi_of_a_folder(tmp_path: Path) -> None:
    labels_csv(tmp_path, "path,label,dup_group,origin\nbenign/b_1.png,benign,7,x\nnormal/n_1.png,normal,7,y\n")
    for root, cache in ((tmp_path, tmp_path / "cache"), (None, tmp_path)):
        source = busi(root=root, cache=cache)
        assert [(c.path, c.label, c.patient, c.unit) for c in source.cases] == [
            (f"{tmp_path}/busi/benign/b_1.png", "benign", "b_1", "group-7"),
            (f"{tmp_path}/busi/normal/n_1.png", "normal", "n_1", "group-7"),
        ]
        assert (source.site_of, source.test) == (None, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\nb.png,benign\n", r"labels\.csv lacks the column\(s\) dup_group"),
        ("path,label,dup_group\n", r"labels\.csv lists no image"),
        (
            "path,label,dup_group\nb.png,benign,\n",
            r"labels\.csv, line 2: path, label and dup_group must not be empty",
        ),
    ],
)
def test_busi_with_a_wrong_table(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        busi(root=labels_csv(tmp_path, text), cache=tmp_path)


def test_busi_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        busi(root=None, cache=tmp_path)
    text = str(caught.value)
    assert (
        "BUSI is not here: FEDGRAFT_DATA is not set; set FEDGRAFT_DATA to a folder that holds busi/labels.csv" in text
    )
    assert f"or put the file at {tmp_path}/busi/labels.csv" in text
    assert "gives no checksum, so FedGraft does not download it" in text
    assert "columns path, label, dup_group" in text


def test_busi_itself(tmp_path: Path, real: Real, read_case: CaseReader) -> None:
    source = busi(root=real("busi"), cache=tmp_path, groups="published")
    assert Counter(case.label for case in source.cases) == {"benign": 437, "malignant": 210, "normal": 133}
    assert len({case.unit for case in source.cases}) == 645
    assert len({case.patient for case in source.cases}) == 780
    assert read_case(source.cases[0]).pixels.shape == (256, 256)
