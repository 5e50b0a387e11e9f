"""The model folder: the same content gives the same bytes, and nothing in it can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fedgraft.common.errors import ModelError
from fedgraft.common.model_folder.folder import ALWAYS, open_model, remove_model, write_model
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]


@pytest.fixture
def made(compose_plan: Composer) -> tuple[Plan, Model]:
    plan = compose_plan("head=cosine")
    return plan, build(plan, None)


@pytest.fixture
def folder(made: tuple[Plan, Model], tmp_path: Path) -> Path:
    write_model(tmp_path / "run" / "model", *made, {"calibration.json": "{}\n"})
    return tmp_path / "run" / "model"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_read_back_as_it_was_written(made: tuple[Plan, Model], folder: Path) -> None:
    plan, model = made
    for path in (folder, folder.parent):
        found = open_model(path)
        assert found.path == folder
    assert set(content(folder)) == {*ALWAYS, "calibration.json", "digests.json"}
    assert found.plan == plan.for_hospitals() and found.plan.data.target is None
    assert (found.about.plan_digest, found.about.task, found.about.classes) == (
        plan.digest,
        "classification",
        ("clear", "lesion"),
    )
    assert found.about.input["case"] == "image" and found.about.input["shape"] == [3, 32, 32]
    assert found.about.input["size"] == 32 and not found.about.needs_its_site
    assert found.about.backbone_digests == (model.backbone_name,)
    assert (found.calibration, found.decisions) == ("{}\n", None)
    held = found.tensors()
    assert set(held) == {*model.names("frozen"), *model.received}
    assert all(torch.equal(tensor, model.state[name]) for name, tensor in held.items())


def test_digests_are_those_of_the_files(folder: Path) -> None:
    files = json.loads((folder / "digests.json").read_text())["files"]
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in content(folder).items()}
    del expected["digests.json"]
    assert files == expected


def test_the_same_content_gives_the_same_bytes(made: tuple[Plan, Model], tmp_path: Path) -> None:
    for name in "abcdef":  # the order of metadata is drawn at random: by chance the same in one of 32
        write_model(tmp_path / name, *made)
    assert all(content(tmp_path / "a") == content(tmp_path / name) for name in "bcdef")


@pytest.mark.parametrize("name", [*ALWAYS, "calibration.json"])
def test_a_changed_byte_and_a_missing_file_are_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=rf"model/{name} is not as it was written: its SHA-256 is another; get the"):
        open_model(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"model lacks the file {name}; get the model again"):
        open_model(folder)


def test_so_is_a_file_too_many(folder: Path) -> None:
    (folder / "signature").write_text("of the digests")
    open_model(folder)
    (folder / "decisions.json").write_text("{}")
    with pytest.raises(ModelError, match=r"model holds decisions.json, which is no file of the model; take it out"):
        open_model(folder)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2, "files": {}}', '{"format": 1, "files": {"a": 1}}', "[]"])
def test_digests_that_are_none(folder: Path, text: str) -> None:
    (folder / "digests.json").write_text(text)
    with pytest.raises(ModelError, match=r"digests.json can't be read as the digests of a model's files"):
        open_model(folder)


def test_a_needed_file_without_a_digest_is_missed(folder: Path) -> None:
    files = json.loads((folder / "digests.json").read_text())
    del files["files"]["plan.yaml"]
    (folder / "digests.json").write_text(json.dumps(files))
    with pytest.raises(ModelError, match=r"model holds plan.yaml, which is no file of the model"):
        open_model(folder)
    (folder / "plan.yaml").unlink()
    with pytest.raises(ModelError, match=r"model lacks the file plan.yaml"):
        open_model(folder)


def redigested(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    digests = json.loads((folder / "digests.json").read_text())
    digests["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / "digests.json").write_text(json.dumps(digests))


def test_of_a_newer_format_it_says_so(folder: Path) -> None:
    about = json.loads((folder / "about.json").read_text())
    redigested(folder, "about.json", json.dumps({**about, "format": 2}).encode())
    with pytest.raises(ModelError, match=r"about.json: format: .*; was it written by a newer FedGraft\?"):
        open_model(folder)
    redigested(folder, "about.json", b"\xff")
    with pytest.raises(ModelError, match=r"about.json is not UTF-8 text"):
        open_model(folder)


def test_where_there_is_no_model_it_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing is no folder; name a model's folder, or that of a run that has"):
        open_model(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"holds no model \(no digests.json, no model/digests.json\)"):
        open_model(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ModelError, match=r"is the folder of a study; name one of its runs/"):
        open_model(tmp_path)


def test_removing_and_writing_anew_touch_nothing_else(made: tuple[Plan, Model], folder: Path, tmp_path: Path) -> None:
    write_model(folder, *made)
    assert open_model(folder).calibration is None
    remove_model(folder)
    assert not folder.exists()
    other = tmp_path / "mine" / "README.md"
    other.parent.mkdir()
    other.write_text("about a model of mine")
    remove_model(other.parent)
    assert other.is_file()
    shutil.rmtree(other.parent)
