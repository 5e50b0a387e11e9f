"""Inputs of a kind whose cases are one array each: a signal, a vector, a small volume. All that is needed is a function
that reads a case."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, Progress, ignore
from fedgraft.client.cohort.quarantine import USABLE, CaseError, number_of
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.inputs import Shaped

Array = NDArray[np.float32]


@dataclass
class ArrayInputs:
    """`fedgraft.client.cohort.inputs.Inputs` of arrays; a case is read once to check it, and again to compute it.

    Args:
        read: reads a case as the network's input, ``spec.shape``. If it raises, the case can't be used: ``missing`` if
            the file is not there, the reason of a `CaseError`, or ``damaged``.
        spec: of the plan's network.
        version: must change whenever ``read`` would give other arrays.
        decoded: called with the number of cases that were checked.
    """

    read: Callable[[Case], NDArray[np.generic]]
    spec: Shaped
    version: str
    decoded: Progress = ignore
    _seen: dict[Case, bytes | CaseError] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"array-1|{self.spec.shape}|{self.version}".encode()).hexdigest()

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases themselves, since each is one array."""
        return tuple(cases)

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        found = (self._look(case) for case in cases)
        return np.array([number_of(one.reason) if isinstance(one, CaseError) else USABLE for one in found], np.uint8)

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes]:
        """SHA-256 of the values; empty for cases that can't be used."""
        found = (self._look(case) for case in cases)
        return [b"" if isinstance(one, CaseError) else one for one in found]

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        """
        Raises:
            DataError: another view than the case as it is, of which an array has none.
        """
        if any(one.view for one in wanted):
            raise DataError("such a case has no other view than itself; set augment.views=1")
        return list(self.digests([one.case for one in wanted]))

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, len(wanted), batch):
            part = slice(start, min(start + batch, len(wanted)))
            yield part, torch.from_numpy(np.stack([self._array(one.case) for one in wanted[part]]))

    def _look(self, case: Case) -> bytes | CaseError:
        if case not in self._seen:
            try:
                self._seen[case] = hashlib.sha256(self._array(case).tobytes()).digest()
            except CaseError as error:
                self._seen[case] = error
            self.decoded(1)
        return self._seen[case]

    def _array(self, case: Case) -> Array:
        """
        Raises:
            CaseError: the case can't be used.
        """
        try:
            array = np.ascontiguousarray(self.read(case), np.float32)
        except CaseError:
            raise
        except FileNotFoundError:
            raise CaseError("missing") from None
        except Exception as error:  # a damaged file makes a reader raise anything
            raise CaseError("damaged", f"the array can't be read ({type(error).__name__})") from None
        if array.shape != tuple(self.spec.shape):
            shapes = (" x ".join(map(str, shape)) for shape in (array.shape, self.spec.shape))
            raise CaseError("inconsistent", "an array of {} numbers; need {}".format(*shapes))
        if not np.isfinite(array).all():
            raise CaseError("inconsistent", "an array with values that are no finite numbers")
        return array
