"""Networks that take notes: inputs as `fedgraft.common.interfaces.inputs.TextSpec` says -> features ``(B, F)``."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.inputs import TextSpec

_SMALLEST = 1e-12


class Windows(NamedTuple):
    """The windows of a batch that hold a token; N of them, as long as the longest.

    Attributes:
        ids: ``(N, L)`` int64, of tokens.
        there: ``(N, L)`` bool, where there is a token.
        case: ``(N,)`` int64, the place of its note in the batch.
        cases: B.
    """

    ids: Tensor
    there: Tensor
    case: Tensor
    cases: int

    @property
    def counts(self) -> Tensor:
        """How many windows each note has, ``(B,)`` int64."""
        return torch.bincount(self.case, minlength=self.cases)

    def apart(self, most: int) -> Windows:
        """The same, each as if it were a note of its own: place ``p`` of note ``b`` is "note" ``b * most + p`` of
        ``B * most``. Of a note with more windows than ``most``, neighbours share a place, evenly."""
        counts = self.counts
        rank = torch.arange(len(self.case), device=self.case.device) - (counts.cumsum(0) - counts)[self.case]
        count = counts[self.case]
        place = torch.where(count > most, rank * most // count, rank)
        return self._replace(case=self.case * most + place, cases=self.cases * most)


def windows_of(inputs: Tensor, spec: TextSpec, vocabulary: int) -> Windows:
    """The windows of a batch of inputs ``(B, *spec.shape)``.

    Numbers out of the vocabulary are clamped, so that a network can be probed with blank inputs and noise. A note
    without any token has one window with one token, the first of the vocabulary.
    """
    numbers = inputs[:, : spec.tokens].round().long().clamp(min=0, max=vocabulary)
    tokens = numbers.unflatten(1, (spec.windows, spec.length))
    blank = (tokens == 0).flatten(1).all(dim=1)
    tokens[blank, 0, 0] = 1
    case, window = (tokens > 0).any(dim=2).nonzero(as_tuple=True)
    kept = tokens[case, window]
    longest = int((kept > 0).any(dim=0).nonzero().max()) + 1
    kept = kept[:, :longest]
    return Windows((kept - 1).clamp(min=0), kept > 0, case, len(inputs))


def _mean(values: Tensor, windows: Windows) -> Tensor:
    """Values ``(N, L, C)`` -> their means over all tokens of each note, ``(B, C)``."""
    weight = windows.there.to(values.dtype)
    sums = torch.zeros(windows.cases, values.shape[2], dtype=values.dtype, device=values.device)
    sums = sums.index_add(0, windows.case, (values * weight[:, :, None]).sum(dim=1))
    count = torch.zeros(windows.cases, dtype=values.dtype, device=values.device)
    return sums / count.index_add(0, windows.case, weight.sum(dim=1)).clamp(min=1)[:, None]


def _deviation(values: Tensor, windows: Windows) -> Tensor:
    centred = values - _mean(values, windows)[windows.case][:, None]
    return _mean(centred.square(), windows).clamp(min=_SMALLEST).sqrt()  # of one token, whose slope would be infinite


def _maximum(values: Tensor, windows: Windows) -> Tensor:
    most = values.masked_fill(~windows.there[:, :, None], -torch.inf).amax(dim=1)
    blank = torch.full((windows.cases, values.shape[2]), -torch.inf, dtype=values.dtype, device=values.device)
    return blank.scatter_reduce(0, windows.case[:, None].expand_as(most), most, "amax")


STATISTICS = MappingProxyType({"mean": _mean, "deviation": _deviation, "maximum": _maximum})
"""Of each channel over all tokens of a note, or of one window; `features.statistics` of a text network."""


def _statistics(output: Tensor, windows: Windows, names: tuple[str, ...]) -> Tensor:
    """Of a stage's output ``(N, L, C)``: the named statistics, one after another, ``(windows.cases, k)``.

    Raises:
        PlanError: there is no such statistic, or the output has not a vector for each word.
    """
    unknown = [name for name in names if name not in STATISTICS]
    if unknown:
        raise PlanError(
            f"features.statistics: words have no rows and columns for {', '.join(unknown)}; choose some of "
            f"{', '.join(STATISTICS)}"
        )
    if output.ndim != 3:
        raise PlanError(f"features: the output of a stage has {output.ndim} dimensions, not a vector for each word")
    return torch.cat([STATISTICS[name](output, windows) for name in names], dim=1)


class NoteEncoder(nn.Module):
    """A network for one window at a time, run on all windows of a note, and pooled over them.

    Its own features are the means over tokens of the encoder's last output. Hashed words, if the spec has some, pass
    through the module `fedgraft.common.interfaces.features.HASHED`, where a reading finds them, and the number of each
    note's windows through `WINDOWS`.

    Args:
        encoder: called with ids ``(N, L)`` and what of them is there ``(N, L)`` -> ``(N, L, C)``.
        spec: of its inputs.
        vocabulary: how many tokens it knows.
        blocks: path of its repeated layers within the encoder (``model.encoder.layer``); ``""`` if it has none.
    """

    def __init__(self, encoder: nn.Module, spec: TextSpec, vocabulary: int, blocks: str) -> None:
        super().__init__()
        self.encoder, self.spec, self.vocabulary, self.blocks = encoder, spec, vocabulary, blocks
        self.hashed, self.windows = nn.Identity(), nn.Identity()
        self._last: Windows | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        windows = windows_of(inputs, self.spec, self.vocabulary)
        self._last = windows
        self.hashed(inputs[:, self.spec.tokens :])
        self.windows(windows.counts)
        return _mean(self.encoder(windows.ids, windows.there), windows)

    def pooled(self, output: Tensor, statistics: tuple[str, ...]) -> Tensor:
        """As `fedgraft.common.interfaces.features.PoolsStages`: of a stage's output ``(N, L, C)``."""
        return _statistics(output, self._windows, statistics)

    def in_windows(self, output: Tensor, statistics: tuple[str, ...], most: int) -> Tensor:
        """As `fedgraft.common.interfaces.features.PoolsWindows`: of a stage's output ``(N, L, C)``."""
        found: Tensor = _statistics(output, self._windows.apart(most), statistics).unflatten(0, (-1, most))
        return found.masked_fill(self.windows_there(most)[:, :, None] == 0, 0)

    def windows_there(self, most: int) -> Tensor:
        """As `fedgraft.common.interfaces.features.PoolsWindows`."""
        counts = self._windows.counts
        return (torch.arange(most, device=counts.device) < counts[:, None]).float()

    @property
    def _windows(self) -> Windows:
        assert self._last is not None, "a stage's output is read in a forward pass"
        return self._last

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Stages, as timm's models declare them (`fedgraft.common.features.stages`): ``stem`` is what comes before the
        blocks."""
        names, blocks = list(self.state_dict()), f"encoder.{self.blocks}."
        first = next((place for place, name in enumerate(names) if name.startswith(blocks)), len(names))
        stem = "|".join(map(re.escape, names[:first]))
        return {"stem": rf"^(?:{stem})$", "blocks": rf"^{re.escape(blocks)}(\d+)"}


class HashedWords(nn.Module):
    """Hashed words as they are, no weights: with a linear head, logistic regression on words."""

    def __init__(self, spec: TextSpec) -> None:
        super().__init__()
        self.spec = spec
        self.hashed = nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.hashed(inputs[:, self.spec.tokens :])
        return features


class Embeddings(nn.Module):
    """Static vectors of tokens (WordLlama): no token sees its neighbours."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)

    def forward(self, ids: Tensor, there: Tensor) -> Tensor:
        found: Tensor = self.table(ids)
        return found


class Pretrained(nn.Module):
    """An encoder of the package ``transformers``: its last hidden state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, there: Tensor) -> Tensor:
        found: Tensor = self.model(input_ids=ids, attention_mask=there.long()).last_hidden_state
        return found
