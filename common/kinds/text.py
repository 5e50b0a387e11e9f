"""The kind of input "notes": hashed words, static vectors of tokens, or any encoder of ``transformers``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from fedgraft.common.errors import BackboneError, PlanError, first_line
from fedgraft.common.interfaces.features import BAG, ReadsHashed
from fedgraft.common.interfaces.input_kind import InputFacts, Sections
from fedgraft.common.interfaces.inputs import Hashing, TextSpec
from fedgraft.common.kinds import text_source
from fedgraft.common.kinds.text_backbone import Embeddings, HashedWords, NoteEncoder, Pretrained
from fedgraft.common.plan import parts
from fedgraft.common.plan.feature_sections import FeaturesSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import AdaptationSection, HeadSection
from fedgraft.common.plan.types import STRICT, Count

HASHED_WORDS, WORDLLAMA, TRANSFORMER = "text/hashed_words", "text/wordllama", "text/transformer"
HASHED_BUCKETS = 16_384
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
"""Those that are told apart (`fedgraft.client.text.language`)."""
_PLAIN = "fedgraft.common.heads.heads.Linear"
_CHOOSE = "use backbone=hashed_words, wordllama or transformer"


@dataclass(frozen=True)
class Cutting:
    """Options of a backbone that reads tokens: how a note is cut into windows, and what the tokenizer must be."""

    __pydantic_config__ = STRICT
    length: Count
    overlap: int
    windows: Count
    digest: str | None = None


@dataclass(frozen=True)
class Text:
    """`fedgraft.common.interfaces.input_kind.InputKind` of notes (docs/text.md).

    Attributes:
        plan: the whole plan.
        trusted: packages from which parts may come.
        column: that holds notes: of the manifest, or of the CSV or Parquet file that ``path`` and ``row`` name.
        coding: ``plain``, or ``base64`` as FHIR has attachments.
        languages: codes of those that the notes are in; a note that is clearly in another can't be used. Empty for any.
        most_characters: of a note; a longer one can't be used.
    """

    plan: Plan
    trusted: tuple[str, ...] = ("fedgraft",)
    column: str = "text"
    coding: str = "plain"
    languages: list[str] = field(default_factory=list)
    most_characters: int = 200_000

    def facts(self) -> InputFacts:
        return InputFacts(
            factory="fedgraft.client.text.factory.TextFactory",
            one="note",
            a="a note",
            every="the notes",
            taken="the tokens of the notes",
            take="read",
            codes=True,
            rows=True,
            files=True,
        )

    def spec(self) -> TextSpec:
        if problems := self._own_problems():
            raise PlanError(problems)
        name = self.plan.backbone.name
        if name == HASHED_WORDS:
            return TextSpec(0, 0, 0, _options(self.plan, Hashing))
        cut = _options(self.plan, Cutting)
        return TextSpec(cut.windows, cut.length, cut.overlap, self._hashed_beside())

    def backbone(self, pretrained: bool) -> tuple[nn.Module, TextSpec]:
        spec = self.spec()
        return _MADE[self.plan.backbone.name](self, spec, pretrained), spec

    def source(self) -> text_source.Source | None:
        """The files of the plan's network; ``None`` if it needs none.

        Raises:
            BackboneError: they are not there, or are not those that the plan means.
        """
        name = self.plan.backbone.name
        if name == HASHED_WORDS:
            return None
        if name == WORDLLAMA:
            return text_source.wordllama_source()
        return text_source.transformer_source(self.plan.backbone.weights, _options(self.plan, Cutting).digest)

    def simpler(self) -> Sections | None:
        """Hashed words, of as many buckets as the plan reads, or as `HASHED_BUCKETS` says; a linear head of them if the
        plan's weighs windows."""
        if self.plan.backbone.name == HASHED_WORDS:
            return None
        hashing = self._hashed_beside() or Hashing(HASHED_BUCKETS)
        backbone = replace(
            self.plan.backbone,
            name=HASHED_WORDS,
            pretrained=False,
            weights="none",
            freeze="all",
            precision="float32",
            options={
                "buckets": hashing.buckets,
                "words": list(hashing.words),
                "characters": list(hashing.characters),
            },
        )
        weighs = parts.takes(self.plan.head, "head", BAG, self.trusted)
        return {
            "backbone": backbone,
            "features": FeaturesSection(),
            "adaptation": AdaptationSection(target=None),
            "head": HeadSection(_PLAIN, {"normalise": False}) if weighs else self.plan.head,
        }

    def problems(self) -> Sequence[str]:
        found = [text for wrong, text in _PROBLEMS if wrong(self)]
        return [*self._own_problems(), *found]

    def _own_problems(self) -> list[str]:
        name = self.plan.backbone.name
        if name not in _MADE:
            return [f"backbone.name={name} takes no notes; {_CHOOSE}"]
        try:
            if name == HASHED_WORDS:
                hashing = _options(self.plan, Hashing)
                return hashing_problems(hashing, "backbone")
            return _cutting_problems(_options(self.plan, Cutting))
        except PlanError as error:
            return list(error.problems)

    def _hashed_beside(self) -> Hashing | None:
        reads = parts.chosen(self.plan.features, "features", self.trusted)
        return reads.hashing if isinstance(reads, ReadsHashed) else None

    def federated_statistics(self) -> None:
        """None: nothing is fitted, so that sites need not be asked for anything before the first round."""


def hashing_problems(hashing: Hashing, option: str) -> list[str]:
    """What is wrong with options of hashed words, of the plan's section ``option``."""
    spans = [("words", hashing.words)] + ([("characters", hashing.characters)] if hashing.characters else [])
    found = [
        f"{option}.{name} must be the shortest and the longest n-gram, from 1 to 8"
        for name, span in spans
        if len(span) != 2 or not 1 <= span[0] <= span[1] <= 8
    ]
    if not 16 <= hashing.buckets <= 2**18 or hashing.buckets % 2:
        found.append(f"{option}.buckets must be an even number from 16 to {2**18}")
    return found


def _cutting_problems(cut: Cutting) -> list[str]:
    if cut.length < 4:
        return ["backbone.length must be 4 or more: a window's first and last token are marks"]
    if not 0 <= cut.overlap <= (cut.length - 2) // 2:
        return [f"backbone.overlap must be from 0 to {(cut.length - 2) // 2}, half of a window's own tokens"]
    return []


def _options(plan: Plan, kind: type[Any]) -> Any:
    """The backbone's options.

    Raises:
        PlanError: names those that are missing, unknown or ill-typed.
    """
    known = {one.name for one in fields(kind)}
    if unknown := [name for name in plan.backbone.options if name not in known]:
        raise PlanError([f"backbone.{name} is no option of {plan.backbone.name}" for name in unknown])
    try:
        return TypeAdapter(kind).validate_python(plan.backbone.options)
    except ValidationError as error:
        problems = [f"backbone.{'.'.join(map(str, one['loc']))}: {one['msg'].lower()}" for one in error.errors()]
        raise PlanError(problems) from None


def _hashed_words(kind: Text, spec: TextSpec, pretrained: bool) -> nn.Module:
    return HashedWords(spec)


def _wordllama(kind: Text, spec: TextSpec, pretrained: bool) -> nn.Module:
    source = text_source.wordllama_source()
    table = source.weights()["embedding.weight"].float()
    encoder = Embeddings(*table.shape)
    if pretrained:
        with torch.no_grad():
            encoder.table.weight.copy_(table)
    return NoteEncoder(encoder, spec, len(table), "")


def _transformer(kind: Text, spec: TextSpec, pretrained: bool) -> nn.Module:
    source = kind.source()
    assert source is not None
    text_source.require_package("transformers")
    import transformers  # an extra; and it takes seconds

    factory: Any = transformers.AutoModel

    held = dict(source.config)
    try:
        with text_source.quiet():
            config = transformers.AutoConfig.for_model(held.pop("model_type"), **held)
            model: nn.Module = factory.from_config(config)
    except Exception as error:  # transformers raises whatever a configuration leads it to
        raise BackboneError(f"backbone.weights={source.name} could not be built: {first_line(error)[:300]}") from None
    most = int(getattr(config, "max_position_embeddings", spec.length) or spec.length)
    if spec.length > most:
        raise PlanError(f"backbone.length={spec.length} is more than the {most} tokens that this network takes at once")
    vars(model)["loss_type"] = "ForCausalLM"  # of no effect; without one transformers logs a line when it is traced
    if getattr(model, "pooler", None) is not None:
        model._modules["pooler"] = None  # its output is not read
    if pretrained:
        _load(model, source)
    return NoteEncoder(Pretrained(model), spec, int(config.vocab_size), f"model.{_blocks(model, config)}")


def _load(model: nn.Module, source: text_source.Source) -> None:
    """
    Raises:
        BackboneError: tensors are missing, or belong to another network.
    """
    held, own = source.weights(), model.state_dict()
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    named = {name.removeprefix(prefix): tensor for name, tensor in held.items()}
    missing = [name for name in own if name not in named or named[name].shape != own[name].shape]
    if missing:
        raise BackboneError(
            f"backbone.weights={source.name} does not fit its configuration: {len(missing)} of {len(own)} tensors are "
            f"missing or of another shape (first: {missing[0]})"
        )
    model.load_state_dict({name: named[name].float() for name in own})


def _blocks(model: nn.Module, config: Any) -> str:
    """The path of the repeated layers: the first list of as many modules as the configuration has layers."""
    layers = int(getattr(config, "num_hidden_layers", 0))
    for path, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return str(path)
    raise BackboneError(f"backbone=transformer: no list of {layers} layers was found in a {type(model).__name__}")


_MADE: Mapping[str, Callable[[Text, TextSpec, bool], nn.Module]] = MappingProxyType(
    {HASHED_WORDS: _hashed_words, WORDLLAMA: _wordllama, TRANSFORMER: _transformer}
)
_PROBLEMS: tuple[tuple[Callable[[Text], bool], str], ...] = (
    (lambda k: k.plan.data.image_size is not None, "data.image_size has no effect on notes; set it to null"),
    (lambda k: k.plan.backbone.channels is not None, "backbone.channels has no effect on notes; set it to null"),
    (
        lambda k: k.plan.augment.views > 1 and not k.plan.augment.notes.on,
        "augment.views above 1 changes images, and has no meaning for notes; use augment=none, or augment=notes",
    ),
    (lambda k: k.plan.harmonise.target is not None, "harmonise is for images; use harmonise=none"),
    (
        lambda k: bool(k.plan.features.networks),
        "features.networks are image networks, and this plan is for notes; set it to []",
    ),
    (
        lambda k: k.plan.backbone.name == HASHED_WORDS and k.plan.backbone.pretrained,
        "backbone.pretrained=true has no effect on backbone=hashed_words, which has no weights; set it to false",
    ),
    (
        lambda k: k.plan.backbone.name == HASHED_WORDS and k.plan.backbone.freeze != "all",
        "backbone.freeze has no effect on backbone=hashed_words, which has nothing to train; set it to all",
    ),
    (
        lambda k: k.plan.backbone.name == HASHED_WORDS and k.plan.features.target is not None,
        "features reads stages of a network, and backbone=hashed_words has none; use features=last",
    ),
    (
        lambda k: k.plan.backbone.name == WORDLLAMA and k.plan.backbone.weights != "wheel",
        "backbone.weights of backbone=wordllama are those of its package; set it to wheel",
    ),
    (lambda k: k.coding not in ("plain", "base64"), "input.coding must be plain or base64"),
    (lambda k: k.most_characters < 1, "input.most_characters must be 1 or more"),
    (
        lambda k: bool(set(k.languages) - set(LANGUAGES)),
        f"input.languages must be some of {', '.join(LANGUAGES)}, or [] for any",
    ),
)
