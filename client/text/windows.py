"""A note as tokens in overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.errors import BackboneError
from fedgraft.common.interfaces.inputs import TextSpec
from fedgraft.common.kinds.text_source import TOKENIZER, Source, require_package

Tokens = NDArray[np.float32]
_WORDS_SHOWN = 5


class Windower:
    """Cuts notes into windows by the tokenizer of a network.

    Args:
        source: holds the tokenizer. What it says of truncation and padding is not used: windows do both.
        spec: of the network's input.

    Raises:
        BackboneError: the tokenizer can't be read.
    """

    def __init__(self, source: Source, spec: TextSpec) -> None:
        require_package("tokenizers")
        from tokenizers import Tokenizer  # an extra

        try:
            self._tokenizer: Any = Tokenizer.from_str(source.read(TOKENIZER).decode())
        except Exception as error:  # tokenizers raises plain exceptions
            if isinstance(error, BackboneError):
                raise
            raise BackboneError(f"backbone.weights={source.name}: {TOKENIZER} can't be read") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._spec = spec
        self._begin, self._end = _marks(self._tokenizer) if source.marked else ([], [])
        self._own = spec.length - len(self._begin) - len(self._end)

    def tokens(self, notes: Sequence[str]) -> Tokens:
        """``(B, spec.tokens)``: the windows of each note, one after another, as `TextSpec` says."""
        found = np.zeros((len(notes), self._spec.windows, self._spec.length), np.float32)
        for row, encoding in zip(found, self._encoded(notes), strict=True):
            for window, ids in zip(row, self._cut(encoding.ids), strict=False):
                window[: len(ids)] = np.asarray(ids) + 1
        return found.reshape(len(notes), self._spec.tokens)

    def windows(self, notes: Sequence[str]) -> list[int]:
        """How many windows each note would have, were there no limit."""
        return [len(self._cut(encoding.ids)) for encoding in self._encoded(notes)]

    def openings(self, note: str) -> list[str]:
        """The first words of each window of a note, of those that the network sees."""
        (encoding,) = self._encoded([note])
        windows = self._cut(encoding.ids)[: self._spec.windows]
        step, most = self._own - self._spec.overlap, self._own
        starts = (encoding.offsets[at * step : at * step + most] for at in range(len(windows)))
        passages = (note[some[0][0] : some[-1][1]] if some else "" for some in starts)
        return [" ".join(passage.split()[:_WORDS_SHOWN]) for passage in passages]

    def _encoded(self, notes: Sequence[str]) -> Any:
        return self._tokenizer.encode_batch(list(notes), add_special_tokens=False)

    def _cut(self, ids: list[int]) -> list[list[int]]:
        """Windows with their marks; the last one ends where the note ends."""
        step = self._own - self._spec.overlap
        starts = range(0, max(len(ids) - self._spec.overlap, 1), step)
        return [[*self._begin, *ids[start : start + self._own], *self._end] for start in starts]


def _marks(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens that the tokenizer puts before and behind a text."""
    plain, marked = (tokenizer.encode("a", add_special_tokens=marks).ids for marks in (False, True))
    place = next((at for at in range(len(marked)) if marked[at : at + len(plain)] == plain), 0)
    return marked[:place], marked[place + len(plain) :]
