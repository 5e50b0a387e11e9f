"""What a kind of input is: all that differs between images, rows of a table, and whatever else a plan names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from flwr.app import ConfigRecord
from torch import nn

from fedgraft.common.interfaces.inputs import Shaped


@dataclass(frozen=True)
class InputFacts:
    """What both sides must know of a kind of input, as plain data.

    Attributes:
        room: dotted path of the class that reads such cases at a site (`fedgraft.client.cohort.inputs.InputRoom`); the
            coordinator never imports it.
        one: a case, in a word (``image``); ``a``: with what it is of (``a row of the table``); ``every``: all of them
            (``the images``); ``taken``: what the network takes of them (``the normalised images``); ``take``: what a
            site does to get a case (``decode``). Words for people.
        unfit: what is wrong, and what to set, where the network does not take inputs of this shape.
        layout: in which torch holds a batch, and the weights of convolutions.
        trains_dropout: whether dropout acts in the stages that are trained; in a frozen one it never does.
        codes: whether an input holds codes of categories, between two of which there is nothing.
        notes: what goes into the file of an exported backbone besides its weights.
    """

    room: str
    one: str
    a: str
    every: str
    taken: str
    take: str
    unfit: str = "the backbone does not take an input of this shape"
    layout: torch.memory_format = torch.contiguous_format
    trains_dropout: bool = True
    codes: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)


Sections = dict[str, Any]
"""Some sections of a plan, by name: whoever asks for them puts them into the plan."""


class Statistics(Protocol):
    """What one site tells of its training cases before the first round."""

    @property
    def is_nothing(self) -> bool:
        """Whether it tells nothing."""


class FederatedStatistics(Protocol):
    """What the sites are asked for before the first round, and what follows from their answers."""

    def leaving(self) -> str:
        """What leaves a site for it, for `fedgraft plan`."""

    def nothing(self) -> Statistics:
        """The answer of a site that tells nothing."""

    def pack(self, found: Any) -> ConfigRecord:
        """An answer as it travels."""

    def unpack(self, record: ConfigRecord) -> Statistics:
        """An answer that came over the wire.

        Raises:
            WireError: it is not usable.
        """

    def figures(self, found: Any) -> dict[str, object]:
        """An answer in names and numbers, for the site's log of what left it."""

    def known(self, answers: Sequence[Any]) -> Sections:
        """The sections of the plan with the numbers that all answers say together.

        Raises:
            PlanError: of something that the plan needs, no site told anything.
        """

    def stand_in(self) -> Sections | None:
        """The sections with made-up numbers, where only the model or the time matters; ``None`` if the model depends on
        the numbers."""

    def without_unknown(self, answers: Mapping[str, Any]) -> tuple[Sections, tuple[str, ...]]:
        """The sections without what no answer tells anything of, and the names of that: what those who answered would
        do by themselves.

        Args:
            answers: by the site's name.

        Raises:
            PlanError: nothing would be left.
        """


@runtime_checkable
class InputKind(Protocol):
    """What a plan's ``input._target_`` must be. Its constructor may take ``plan`` and ``trusted`` (packages from which
    parts may come) besides its own options: it speaks for one plan.

    Every input is a float32 tensor of a fixed shape. A network is measured with zeros and with standard normal noise of
    that shape, so that a backbone has to take both.
    """

    def facts(self) -> InputFacts:
        """Words, and how such inputs are handled."""

    def spec(self) -> Shaped:
        """What the plan's network takes, without building it.

        Raises:
            PlanError: the plan does not say, or not yet: the sites have not been asked for statistics.
        """

    def backbone(self, pretrained: bool) -> tuple[nn.Module, Shaped]:
        """The network without a head, ``(B, *spec.shape) -> (B, F)``, and its `spec`.

        Args:
            pretrained: with the weights that the plan names; else with random ones, by torch's generator.

        Raises:
            PlanError: there is no such network, or it does not take such inputs.
            BackboneError: the weights are not there or do not fit.
        """

    def problems(self) -> Sequence[str]:
        """What of the plan has no meaning for such inputs; says what to set."""

    def federated_statistics(self) -> FederatedStatistics | None:
        """What the sites are to be asked for before the first round; ``None`` if the plan holds all numbers.

        Raises:
            PlanError: what describes a case can't be built.
        """
