"""The interface of a kind of input: everything that differs between images, rows of a table, and other kinds."""

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
        factory: dotted path of the class that reads such cases at a site
            (`fedgraft.client.cohort.inputs.InputFactory`); the coordinator never imports it.
        one: word for a case (``image``), for messages; so are the next four.
        a: a case with its article (``a row of the table``).
        every: all cases (``the images``).
        taken: the network's inputs (``the normalised images``).
        take: the verb for reading a case (``decode``).
        unfit: error text for a network that does not take inputs of this shape.
        layout: torch's memory format of a batch and of convolutions' weights.
        trains_dropout: whether dropout acts in trained stages; it never does in frozen ones.
        codes: whether inputs hold codes of categories, which can't be interpolated.
        rows: whether a case is given by its cells (a mapping from column to value), and not as a file or an array.
        files: whether a case may also be given as a file where ``rows`` is true.
        notes: metadata for the file of an exported backbone.
    """

    factory: str
    one: str
    a: str
    every: str
    taken: str
    take: str
    unfit: str = "the backbone does not take an input of this shape"
    layout: torch.memory_format = torch.contiguous_format
    trains_dropout: bool = True
    codes: bool = False
    rows: bool = False
    files: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)


Sections = dict[str, Any]
"""Sections of a plan by name, with which the caller replaces the plan's."""


class Statistics(Protocol):
    """The statistics that one site sends of its training cases before the first round."""

    @property
    def is_nothing(self) -> bool:
        """Whether the site releases nothing."""


class FederatedStatistics(Protocol):
    """The statistics that sites are asked for before the first round, and their use in the plan."""

    def leaving(self) -> str:
        """What leaves a site, in words, for ``fedgraft plan``."""

    def nothing(self) -> Statistics:
        """The answer of a site that releases nothing."""

    def pack(self, found: Any) -> ConfigRecord:
        """Pack an answer as a Flower record."""

    def unpack(self, record: ConfigRecord) -> Statistics:
        """Unpack an answer that another machine sent.

        Raises:
            WireError: it is not usable.
        """

    def figures(self, found: Any) -> dict[str, object]:
        """An answer in names and numbers, for the site's log of what left it."""

    def known(self, answers: Sequence[Any]) -> Sections:
        """The sections of the plan with the statistics pooled over all answers.

        Raises:
            PlanError: no site released something that the plan needs.
        """

    def fills(self) -> tuple[str, ...]:
        """The options that `known` and `without_unknown` set, dotted: ``table.means``. A list among them only gets
        shorter."""

    def stand_in(self) -> Sections | None:
        """The sections with placeholder numbers, for when only the model or the time matters; ``None`` if the model
        depends on the numbers."""

    def without_unknown(self, answers: Mapping[str, Any]) -> tuple[Sections, tuple[str, ...]]:
        """The sections without the columns (for instance) that no answer has a value of, and the names of those.

        Args:
            answers: by site name.

        Raises:
            PlanError: nothing would be left.
        """


@runtime_checkable
class HasSimpler(Protocol):
    """A kind of input with a network so simple that any other must show its worth beside it (``baselines=simpler``)."""

    def simpler(self) -> Sections | None:
        """The sections of the plan with that network; ``None`` if the plan has it already."""


@runtime_checkable
class InputKind(Protocol):
    """A kind of input, for one plan: what a plan's ``input._target_`` must be.

    Its constructor may take ``plan`` and ``trusted`` (packages from which parts may come) besides its own options.
    Inputs are float32 tensors of a fixed shape. Networks are probed with zeros and with standard normal noise of that
    shape, so a backbone must accept both.
    """

    def facts(self) -> InputFacts:
        """Words for such inputs, and how they are handled."""

    def spec(self) -> Shaped:
        """The spec of the plan's network's input, without building the network.

        Raises:
            PlanError: the plan does not determine it, or not before the sites have been asked for statistics.
        """

    def backbone(self, pretrained: bool) -> tuple[nn.Module, Shaped]:
        """The network without a head, ``(B, *spec.shape) -> (B, F)``, and its `spec`.

        Args:
            pretrained: whether to load the weights that the plan names; else they are drawn by torch's generator.

        Raises:
            PlanError: there is no such network, or it does not accept such inputs.
            BackboneError: the weights are not there or do not fit.
        """

    def problems(self) -> Sequence[str]:
        """A sentence for each option of the plan that has no meaning for such inputs, with what to set."""

    def federated_statistics(self) -> FederatedStatistics | None:
        """The statistics that sites must be asked for before the first round; ``None`` if the plan needs none.

        Raises:
            PlanError: the part that describes a case can't be built.
        """
