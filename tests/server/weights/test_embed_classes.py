"""Classes described in words, by an image-text model that is trained here: no real one's weights are reachable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
import yaml
from torch.nn import functional

from fedgraft.client.images.reader import CaseReader
from fedgraft.common import cli, tensors
from fedgraft.common.errors import BackboneError, DataError, PlanError
from fedgraft.common.heads import class_embeddings
from fedgraft.common.heads.class_embeddings import Embeddings
from fedgraft.common.heads.heads import ClassEmbedding
from fedgraft.server.weights import image_text
from fedgraft.server.weights.embed_classes import main, read_prompts
from fedgraft.simulations.datasets.phantom.phantom import phantom

from .image_text_model import SENTENCES, SIZE, films, train_model, write_model

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BiomedCLIP's shape: a vision transformer, a linear projection, CLIP's normalisation; not trained."""
    return write_model(tmp_path_factory.mktemp("models") / "vit", "test_vit", mean=CLIP_MEAN, std=CLIP_STD)


def test_the_tower_as_a_backbone_gives_the_image_embeddings_of_open_clip(vit: Path) -> None:
    found = image_text.load(str(vit))
    tower = timm.create_model(found.tower, num_classes=0)
    tower.load_state_dict(image_text.backbone(found), strict=True)
    linear = image_text.projection(found)
    assert linear is not None and (found.mean, found.std) == (CLIP_MEAN, CLIP_STD)
    pixels = torch.rand(4, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = tower.eval()((pixels - 0.5) / 0.5) @ linear.T
        theirs = found.model.encode_image(
            (pixels - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]
        )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_class_is_the_mean_of_its_prompts_directions(vit: Path) -> None:
    import open_clip

    found = image_text.load(str(vit))
    tokens = open_clip.get_tokenizer(f"local-dir:{vit}")
    with torch.inference_mode():
        one, two, other = functional.normalize(found.model.encode_text(tokens(["clear", "no lesion", "a lesion"])))
    embedded = image_text.embed(found, {"clear": ["clear", "no lesion"], "lesion": ["a lesion"]})
    torch.testing.assert_close(embedded, torch.stack([functional.normalize((one + two) / 2, dim=0), other]))


def test_the_head_scores_as_open_clip_does(vit: Path, tmp_path: Path) -> None:
    assert main([*_arguments(vit, tmp_path), "--backbone-out", str(tmp_path / "tower.safetensors")]) == 0
    found = image_text.load(str(vit))
    head = ClassEmbedding(width=64, classes=2, dims=32)
    built = dict(head.state_dict())
    head.load_state_dict(Embeddings(str(tmp_path / "classes.safetensors"), tuple(SENTENCES)).head({}, built))
    tower = timm.create_model("test_vit", num_classes=0)
    tower.load_state_dict(tensors.load(tmp_path / "tower.safetensors"))
    pixels = torch.rand(4, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    normal = (pixels - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]
    with torch.inference_mode():
        shown = functional.normalize(found.model.encode_image(normal))
        expected = found.scale * shown @ image_text.embed(found, SENTENCES).T
        logits = head(tower.eval()((pixels - 0.5) / 0.5))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.timeout(240)
def test_zero_shot_then_trained_end_to_end(
    tmp_path: Path, cache: Path, read_case: CaseReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contrastive training on other patients' films; then round 0 knows the lesions without one labelled case."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = write_model(tmp_path / "model", "test_resnet")
    source = phantom(cache=cache, seed=7, sites=4, cases=120, size=64, shift=0.3)
    train_model(model, films(source.cases, read_case), [case.label for case in source.cases], steps=120)
    assert main([*_arguments(model, tmp_path), "--backbone-out", str(tmp_path / "tower.safetensors")]) == 0
    run = tmp_path / "run"
    plan = ("data.sites=3", "data.cases=60", "data.size=64", f"data.image_size={SIZE}", "data.shift=0.3", "rounds=1")
    clip = (
        "backbone=timm",
        "backbone.name=test_resnet",
        f"backbone.weights={tmp_path / 'tower.safetensors'}",
        "head=embeddings",
        "head.dims=32",
        "initial=embeddings",
        f"initial.file={tmp_path / 'classes.safetensors'}",
    )
    assert cli.main(["simulate", *plan, *clip, "engine.threads=1", "engine.workers=0", f"hydra.run.dir={run}"]) == 0
    zero_shot = json.loads((run / "rounds.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert zero_shot["round"] == 0
    assert zero_shot["test"]["auroc"] > 0.8  # 0.97 on a quiet machine; chance is 0.5


def _arguments(model: Path, folder: Path) -> list[str]:
    prompts = folder / "prompts.yaml"
    prompts.write_text(yaml.safe_dump({name: list(some) for name, some in SENTENCES.items()}, sort_keys=False))
    return ["--model", str(model), "--prompts", str(prompts), "--out", str(folder / "classes.safetensors")]


def test_it_says_what_to_set_in_a_plan(vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(_arguments(vit, tmp_path))
    said = capsys.readouterr().out
    assert "2 classes from 6 prompts" in said
    assert "backbone.name=test_vit head=embeddings head.dims=32" in said
    assert f"initial=embeddings initial.file={tmp_path / 'classes.safetensors'}" in said
    assert "--backbone-out writes them" in said


@pytest.mark.parametrize(
    "text", ["[a, b]", "clear: [x]", "clear: []\nlesion: [x]", "clear: [1]\nlesion: [x]", "a: b: c"]
)
def test_prompts_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"two classes or more, each with a list of prompts|is not readable YAML"):
        read_prompts(path)


def test_prompts_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--prompts .*nowhere.yaml does not exist"):
        read_prompts(tmp_path / "nowhere.yaml")


def test_a_single_prompt_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("clear: no lesion\nlesion: [a, b]", encoding="utf-8")
    assert read_prompts(tmp_path / "p.yaml") == {"clear": ["no lesion"], "lesion": ["a", "b"]}


def test_files_must_be_safetensors(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"--out .*classes.pt must end in .safetensors"):
        main(["--model", "m", "--prompts", "p.yaml", "--out", str(tmp_path / "classes.pt")])


def test_a_model_without_weights_is_refused(vit: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "open_clip_config.json").write_bytes((vit / "open_clip_config.json").read_bytes())
    with pytest.raises(BackboneError, match="can't be loaded"):
        image_text.load(str(tmp_path / "bare"))


def test_a_tower_that_is_not_timms_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip

    model = open_clip.create_model("RN50", load_weights=False)
    monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: model)
    with pytest.raises(BackboneError, match="--model RN50: its image tower is not a network of timm"):
        image_text.load("RN50")


def test_a_projection_of_two_layers_is_refused(tmp_path: Path) -> None:
    found = image_text.load(str(write_model(tmp_path / "mlp", "test_vit", proj="mlp")))
    with pytest.raises(BackboneError, match="projection is not one linear layer without bias"):
        image_text.projection(found)


def test_a_padded_first_layer_can_not_take_another_normalisation(tmp_path: Path) -> None:
    found = image_text.load(str(write_model(tmp_path / "cnn", "test_resnet", mean=CLIP_MEAN, std=CLIP_STD)))
    with pytest.raises(BackboneError, match="its first layer is padded, so that one can't be folded into the other"):
        image_text.backbone(found)


def test_a_file_of_other_classes_or_sizes_is_refused(vit: Path, tmp_path: Path) -> None:
    main(_arguments(vit, tmp_path))
    file = str(tmp_path / "classes.safetensors")
    fitting = dict(ClassEmbedding(64, 2, 32).state_dict())
    with pytest.raises(PlanError, match=r"is of clear, lesion; data.classes must be the same, in this order"):
        Embeddings(file, ("lesion", "clear")).head({}, fitting)
    with pytest.raises(PlanError, match=r"does not fit the head \(projection, weight\): set head.dims=32"):
        Embeddings(file, ("clear", "lesion")).head({}, dict(ClassEmbedding(64, 2, 16).state_dict()))
    assert Embeddings.misfit(ClassEmbedding(64, 2, None), {}) == ""
    assert Embeddings.misfit(torch.nn.Linear(64, 2), {}) == "use head=embeddings, which has a place for them"
    tensors.save(tmp_path / "other.safetensors", {"weight": torch.zeros(2)})
    with pytest.raises(BackboneError, match="holds no class embeddings"):
        class_embeddings.read(tmp_path / "other.safetensors", ("clear", "lesion"))


def test_dims_must_be_positive() -> None:
    with pytest.raises(PlanError, match=r"head.dims=0 must be 1 or more, or null"):
        ClassEmbedding(8, 2, 0)


def test_without_a_projection_the_features_are_compared_as_they_are() -> None:
    head = ClassEmbedding(2, 2, None)
    head.load_state_dict({"weight": torch.eye(2), "log_scale": torch.tensor(2.0).log()})
    torch.testing.assert_close(head(torch.tensor([[3.0, 4.0]])), torch.tensor([[1.2, 1.6]]))


def test_open_clip_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match=r"needs open_clip: pip install 'fedgraft\[clip\]'"):
        image_text.load("anything")


def test_a_tower_that_pools_in_another_way_is_refused(tmp_path: Path) -> None:
    """Its weights fit timm's network of the same name, whose features are others."""
    model = write_model(tmp_path / "mean", "test_vit", pool="avg")
    with pytest.raises(BackboneError, match="the image tower is not test_vit as timm builds it"):
        main([*_arguments(model, tmp_path), "--backbone-out", str(tmp_path / "tower.safetensors")])
    assert not (tmp_path / "tower.safetensors").exists()
