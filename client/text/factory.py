"""Makes the inputs of a cohort of notes."""

from __future__ import annotations

from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.notes.views import views_of
from fedgraft.client.site.limits import Limits
from fedgraft.client.text.files import NoteFiles
from fedgraft.client.text.hashing import Hasher
from fedgraft.client.text.inputs import TextInputs
from fedgraft.client.text.notes import NoteReader
from fedgraft.client.text.windows import Windower
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.kinds.text import Text


class TextFactory:
    """The `fedgraft.client.cohort.inputs.InputFactory` of notes; sites with the same limits share the tables read."""

    def __init__(self) -> None:
        self._files: dict[Limits, NoteFiles] = {}
        self._windowers: dict[tuple[str, str], Windower] = {}

    def reader(self, kind: Text, limits: Limits) -> NoteReader:
        """Reads notes as a plan says, within these limits."""
        files = self._files.setdefault(limits, NoteFiles(limits))
        return NoteReader(files, kind.column, kind.coding, tuple(kind.languages), kind.most_characters)

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


def text_of(kind: InputKind) -> Text:
    """
    Raises:
        PlanError: the kind does not say how notes are read.
    """
    if not isinstance(kind, Text):
        raise PlanError(f"input: {type(kind).__name__} does not say how notes are read; it must be Text")
    return kind
