"""Makes the inputs of a cohort of notes."""

from __future__ import annotations

import torch
from torch import nn

from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.cohort.preparation import Preparation
from fedgraft.client.notes.views import views_of
from fedgraft.client.site.limits import Limits
from fedgraft.client.text.files import NoteFiles
from fedgraft.client.text.hashing import Hasher
from fedgraft.client.text.inputs import TextInputs
from fedgraft.client.text.notes import NoteReader
from fedgraft.client.text.windows import Windower
from fedgraft.common.errors import ModelError, PlanError
from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.kinds.text import Text
from fedgraft.common.plan.plan import Plan


class TextFactory:
    """The `fedgraft.client.cohort.inputs.InputFactory` of notes; sites with the same limits share the tables read."""

    def __init__(self) -> None:
        self._files: dict[Limits, NoteFiles] = {}
        self._windowers: dict[tuple[str, str], Windower] = {}

    def reader(self, kind: Text, limits: Limits) -> NoteReader:
        """Reads notes as a plan says, within these limits."""
        files = self._files.setdefault(limits, NoteFiles(limits))
        return NoteReader(files, kind.column, kind.coding, tuple(kind.languages), kind.most_characters)

    def preparation(self, plan: Plan, kind: InputKind, trusted: tuple[str, ...]) -> Preparation:
        """As `fedgraft.client.cohort.preparation.PreparesInTorch`: hashed words are taken as they are counted.

        Raises:
            ModelError: the network reads windows of tokens, of which a note has any number.
        """
        spec = text_of(kind).spec()
        if spec.tokens or spec.hashing is None:
            raise ModelError(
                f"backbone={plan.backbone.name}: a model that reads notes in windows can't be exported: its tokenizer, "
                "and what it does with as many windows as a note has, fit into no such file; take `fedgraft predict` "
                "or fg.load_model (of notes only backbone=hashed_words features=last can be exported)"
            )
        return _of_counts(spec.shape)

    def inputs(self, context: InputContext) -> TextInputs:
        """
        Raises:
            BackboneError: the plan's tokenizer is not here, or is not the one that it means.
            DataError, PlanError: the plan asks for copies of notes, and the site has not what they are made with.
        """
        kind = text_of(context.kind)
        spec, source = kind.spec(), kind.source()
        digest = "" if source is None else source.digest
        windower = None
        if source is not None:
            key = (digest, repr(spec))
            windower = self._windowers.get(key) or self._windowers.setdefault(key, Windower(source, spec))
        hasher = None if spec.hashing is None else Hasher(spec.hashing)
        views = views_of(context.plan, context.rules.notes)
        reader = self.reader(kind, context.rules.limits)
        return TextInputs(reader, spec, windower, hasher, digest, decoded=context.decoded, views=views)


def _of_counts(shape: tuple[int, ...]) -> Preparation:
    said = {
        "what": f"float32 {shape}, the hashed words of a note as fedgraft.client.text.hashing.Hasher.numbers counts "
        "them: reading and counting notes is not inside"
    }
    return Preparation(
        "counts",
        nn.Identity(),
        lambda counts: counts,
        lambda generator: [torch.randn(cases, *shape, generator=generator) for cases in (2, 1)],
        said=said,
    )


def text_of(kind: InputKind) -> Text:
    """
    Raises:
        PlanError: the kind does not say how notes are read.
    """
    if not isinstance(kind, Text):
        raise PlanError(f"input: {type(kind).__name__} does not say how notes are read; it must be Text")
    return kind
