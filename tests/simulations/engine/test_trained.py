"""The model of a run: the outputs that the sites saw, of files, arrays, images in memory, and rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fedgraft as fg
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common import tensors

SMALL = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data": {"image_size": 32, "sites": 2, "cases": 24, "size": 64},
    "rounds": 1,
    "train__epochs": 1,
    "engine__threads": 1,
}


def run_of(folder: Path, **options: object) -> fg.Run:
    return fg.simulate(fg.plan(**SMALL, **options), folder, quiet=True)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def run(own_cache: object, tmp_path_factory: pytest.TempPathFactory) -> fg.Run:
    return run_of(tmp_path_factory.mktemp("run"))


def test_it_knows_its_input_and_is_ready_to_predict(run: fg.Run) -> None:
    model = run.model()
    assert (model.classes, model.spec.shape, model.spec.size) == (("clear", "lesion"), (3, 32, 32), 32)
    assert (model.spec.mean, model.spec.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())
    with torch.inference_mode():
        assert model(torch.zeros(5, 3, 32, 32)).shape == (5, 2)
    held, saved = model.network.state_dict(), tensors.load(run.out / "model" / "model.safetensors")
    assert all(torch.equal(held[name], tensor) for name, tensor in saved.items())


def test_in_a_notebook_it_is_one_line(run: fg.Run) -> None:
    model = fg.load_model(run.out / "model")
    many = sum(one.numel() for one in model.network.parameters())
    expected = f"<trained model: test_efficientnet, {many:,} weights; 3 x 32 x 32 -> classes clear, lesion>"
    assert repr(model) == expected


def test_what_a_simulation_writes_is_its_own_account_s(run: fg.Run) -> None:
    written = [run.out, *run.out.rglob("*")]
    assert len(written) > 20 and not [path for path in written if path.lstat().st_mode & 0o077]


def test_files_give_what_the_sites_evaluated(run: fg.Run) -> None:
    """A site's test loss and accuracy, computed anew from its manifest."""
    manifest = next(iter(sorted(run.out.glob("sites/*/manifest.csv"))))
    cases, model = read_manifest(manifest), run.model()
    logits = model(model.prepare([case.path for case in cases]))
    labels = torch.tensor([model.classes.index(case.label) for case in cases])
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    right = logits.argmax(1) == labels
    figures = run.summary["sites"][manifest.parent.name]
    tested = _tested(run, manifest.parent.name, cases)
    assert losses[tested].mean().item() == pytest.approx(figures["loss"], abs=1e-5)
    assert right[tested].float().mean().item() == pytest.approx(figures["accuracy"], abs=1e-5)


def _tested(run: fg.Run, site: str, cases: tuple[object, ...]) -> list[int]:
    from fedgraft.client.cohort.splits import split_as_planned

    test = split_as_planned(cases, run.plan.data, run.plan.seed)["test"]  # type: ignore[arg-type]
    return [place for place, case in enumerate(cases) if case in test]


def test_arrays_and_images_in_memory_are_taken_like_files(run: fg.Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    grey = pixels[..., 0]
    Image.fromarray(pixels).save(tmp_path / "colour.png")
    Image.fromarray(grey).save(tmp_path / "grey.png")
    model = run.model()
    files = model.prepare([tmp_path / "colour.png", str(tmp_path / "grey.png")])
    memory = model.prepare([pixels, Image.fromarray(grey)])
    assert files.shape == (2, 3, 32, 32) and files.dtype == torch.float32
    near = {"rtol": 0.0, "atol": 2**-12}  # of files, 16 bits are kept
    torch.testing.assert_close(memory, files, **near)
    transparent = Image.fromarray(pixels).convert("RGBA")
    torch.testing.assert_close(model.prepare([transparent, grey / 255.0]), files, **near)


def test_a_case_that_cannot_be_used_is_named(run: fg.Run, tmp_path: Path) -> None:
    model, good = run.model(), np.random.default_rng(0).random((8, 8))
    with pytest.raises(fg.DataError, match=r"case 1: missing \(the file does not exist or can't be opened\)"):
        model.prepare([good, tmp_path / "nothing.png"])
    with pytest.raises(fg.DataError, match=r"case 0: blank \(all pixels are equal: there is nothing to see\)"):
        model.prepare([np.zeros((8, 8), np.uint8)])
    with pytest.raises(fg.DataError, match="prepare: there is no case"):
        model.prepare([])
    words = "case 1 is a mapping from column to value; this model takes an image for each case, as a file or an array"
    with pytest.raises(fg.DataError, match=words):
        model.prepare([good, {"age": 50}])
    with pytest.raises(fg.DataError, match=r"of a single one make a list: \[case\]"):
        model.prepare("image.png")


def test_what_stays_at_a_site_is_asked_for_by_its_name(tmp_path: Path) -> None:
    run = run_of(tmp_path, adaptation="fedbn")
    with pytest.raises(
        fg.ModelError, match=r"stays at the sites; name one: model\(site=...\) with one of alder, birch"
    ):
        run.model()
    with pytest.raises(fg.ModelError, match=r"model\(site='north'\): the run's sites are alder, birch"):
        run.model("north")
    here, there = run.model("alder").network.state_dict(), run.model("birch").network.state_dict()
    different = {name for name in here if not torch.equal(here[name], there[name])}
    assert different and all(name.startswith("backbone.") for name in different)


def test_of_a_site_with_a_copy_of_its_own_it_is_the_copy(run: fg.Run, tmp_path: Path) -> None:
    with pytest.raises(fg.ModelError, match=r"model\(site='alder'\) has no effect: this plan leaves nothing"):
        run.model("alder")
    ditto = run_of(tmp_path, personal="ditto")
    shared, own = ditto.model().network.state_dict(), ditto.model("alder").network.state_dict()
    assert not torch.equal(shared["head.weight"], own["head.weight"])
    saved = next((tmp_path / "sites" / "alder" / "state" / "local").glob("*-own.safetensors"))
    assert torch.equal(own["head.weight"], tensors.load(saved)["head.weight"])


def test_a_copy_of_its_own_has_also_its_own_local_layers(tmp_path: Path) -> None:
    run = run_of(tmp_path, personal="ditto", adaptation="fedbn")
    held = run.model("alder").network.state_dict()
    files = sorted((tmp_path / "sites" / "alder" / "state" / "local").glob("*.safetensors"))
    own, local = (tensors.load(file) for file in files)
    assert files[0].stem.endswith("-own") and set(local) < set(own)
    assert any(not torch.equal(own[name], local[name]) for name in local)
    assert all(torch.equal(held[name], tensor) for name, tensor in own.items())


def test_what_a_site_made_for_its_evaluation_only_is_not_there(tmp_path: Path) -> None:
    words = "personal=finetune trains the final model at a site for the site's evaluation only; .* sites do not keep it"
    run = run_of(tmp_path / "shared", personal="finetune")
    run.model()
    with pytest.raises(fg.ModelError, match=rf"model\(site='birch'\): {words}"):
        run.model("birch")
    with pytest.raises(fg.ModelError, match=r"model\(site='north'\): the run's sites are alder, birch"):
        run.model("north")
    local = run_of(tmp_path / "local", personal="finetune", adaptation="fedbn")
    for site, called in ((None, r"model\(\)"), ("alder", r"model\(site='alder'\)")):
        with pytest.raises(fg.ModelError, match=f"{called}: {words}"):
            local.model(site)


def test_nor_is_what_a_held_out_site_adapted(tmp_path: Path) -> None:
    run = run_of(tmp_path, adapt="adabn", hold_out=["birch"], patience__quorum_sites=1)
    run.model()
    with pytest.raises(fg.ModelError, match=r"model\(site='birch'\): adapt=adabn adapts the final model at a site for"):
        run.model("birch")
    with pytest.raises(fg.ModelError, match="this plan leaves nothing of a model at the sites"):
        run.model("alder")


def test_images_are_harmonised_by_a_class_of_a_cell_as_they_were_in_the_run(run: fg.Run, tmp_path: Path) -> None:
    class Inverted:
        """Bright is dark; the sites' means have no part in it."""

        def describe(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean()[None]

        def apply(self, image: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
            return 1 - image

    inverted = fg.simulate(fg.plan(**SMALL), tmp_path, parts={"harmonise": Inverted}, quiet=True).model()
    film = np.random.default_rng(0).random((40, 40))
    torch.testing.assert_close(inverted.prepare([film]), run.model().prepare([1 - film]), rtol=0.0, atol=2**-10)
