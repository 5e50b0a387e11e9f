"""A site's own account of what it has told with noise: ``privacy.jsonl`` in its state folder.

A line for each run, with all that the run may ask, before its first answer; and one for each answer. The lines are a
chain (`fedgraft.common.runtime.chained`), so that none can be changed or taken out unseen. Lines of before 2026-12 held
their digest by another rule; they are read by it, and the chain goes on behind them. A run is charged as a whole: one
that ends early, or is resumed, costs the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.common.errors import DataError, PrivacySpentError
from fedgraft.common.privacy.accountant import Release, epsilon, ratio
from fedgraft.common.runtime.chained import NUMBER, BrokenChainError, Chain
from fedgraft.common.runtime.files import locked, private_folder

FILE = "privacy.jsonl"
_BEGIN, _RUN = "0" * 64, "run"
_HASH, _SUM = "digest", "sum"


@dataclass(frozen=True)
class Charge:
    """A run: when it was charged (seconds since 1970), and what it may ask.

    Attributes:
        releases: of patients whom it trains on.
        apart: of others, of whom less is told (`fedgraft.common.privacy.budget.Budget.apart`).
    """

    time: float
    run: int
    plan: str
    releases: tuple[Release, ...]
    apart: tuple[Release, ...] = ()


@dataclass
class _Run:
    """What the account says of one run: its charge, the number of the last line that was read, and for each kind the
    secure sums (or ``""``) of the answers that were noted."""

    charge: Charge
    last: int = 0
    answers: dict[str, list[str]] = field(default_factory=dict)

    def given(self, what: str) -> Sequence[str]:
        return self.answers.get(what, ())

    def add(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Take in the lines that follow."""
        self.last += len(lines)
        for line in lines:
            if (line["run"], line["plan"]) == (self.charge.run, self.charge.plan) and line["what"] != _RUN:
                self.answers.setdefault(line["what"], []).append(line.get(_SUM, ""))

    @staticmethod
    def found(lines: Sequence[Mapping[str, Any]], run: int, plan: str) -> _Run | None:
        """The run, if it is in these lines."""
        place = next((place for place, line in enumerate(lines) if _is_charge(line, run, plan)), None)
        if place is None:
            return None
        known = _Run(_charge(lines[place]))
        known.add(lines[place + 1 :])
        return known


@dataclass(frozen=True)
class PrivacyAccount:
    """The account in a state folder.

    Attributes:
        durable: whether a line is on the disk before an answer leaves; a simulation's sites do without.
    """

    state: Path
    durable: bool = True
    _known: dict[tuple[int, str], _Run] = field(default_factory=dict, init=False, repr=False, compare=False)

    def charge(
        self,
        run: int,
        plan: str,
        releases: Sequence[Release],
        budget: PrivacyBudget | None,
        now: float | None = None,
        apart: Sequence[Release] = (),
    ) -> None:
        """Charge a run with all that it may ask, unless it was charged before.

        Args:
            apart: as `Charge.apart`; each patient is promised what ``releases`` cost, or more.

        Raises:
            PrivacySpentError: the site's budget does not suffice for it; says by how much.
            DataError: the account was changed.
        """
        now = time.time() if now is None else now
        with self._locked():
            lines = self._read()
            if _Run.found(lines, run, plan) is not None:
                return
            if ratio(apart) > ratio(releases) * (1 + 1e-9):
                raise PrivacySpentError(
                    "more would be told of patients apart from training than the run is charged with"
                )
            if budget is not None:
                _require(budget, [one for one in _charges(lines) if one.time >= budget.since(now)], releases)
            line = {"time": now, "what": _RUN, "run": run, "plan": plan, "releases": _plain(releases)}
            self._append({**line, "apart": _plain(apart)} if apart else line)

    def answer(self, run: int, plan: str, what: str, most: int, sum_key: str = "") -> None:
        """Note an answer, before it leaves.

        Args:
            what: of which kind.
            most: how many of them the run was charged with.
            sum_key: of a secure sum into which it has not gone yet: one that was noted for the same sum has not left
                (the site was killed before it could), and is noted once.

        Raises:
            PrivacySpentError: they were all given, or the run was never charged.
            DataError: the account was changed.
        """
        with self._locked():
            given = self._required(run, plan).given(what)
            if sum_key and sum_key in given:
                return
            if len(given) >= most:
                raise PrivacySpentError(
                    f"the run was charged with {most} answer(s) of the kind `{what}`, and {len(given)} were given"
                )
            line = {"time": time.time(), "what": what, "run": run, "plan": plan}
            self._append({**line, _SUM: sum_key} if sum_key else line)

    def releases(self, run: int, plan: str) -> tuple[Release, ...] | None:
        """What a run was charged with; ``None`` if it was not.

        Raises:
            DataError: the account was changed.
        """
        found = self._of(run, plan)
        return None if found is None else found.charge.releases

    def charged(self, run: int, plan: str) -> Charge:
        """A run that was charged.

        Raises:
            PrivacySpentError: it was not.
            DataError: the account was changed.
        """
        return self._required(run, plan).charge

    def charges(self) -> tuple[Charge, ...]:
        """All runs that were charged.

        Raises:
            DataError: the account was changed.
        """
        return tuple(_charges(self._read()))

    @property
    def _chain(self) -> Chain:
        return Chain(self.state / FILE, self.durable)

    def _required(self, run: int, plan: str) -> _Run:
        found = self._of(run, plan)
        if found is None:
            raise PrivacySpentError("the run was never charged: the coordinator must send `prepare` first")
        return found

    def _of(self, run: int, plan: str) -> _Run | None:
        """What the account says of a run. The lines behind those that this object has read are looked at; at first
        those from the run's charge on, or all (`charge` looks through all of them before)."""
        known = self._known.get((run, plan))
        if known is not None:
            later = self._since(lambda line: line.get(NUMBER) == known.last)
            if later is not None:
                known.add(later[1:])
                return known
        number = 0

        def charges(line: Mapping[str, Any]) -> bool:
            nonlocal number
            number = line.get(NUMBER, 0)
            return _is_charge(line, run, plan)

        lines = self._since(charges)
        if lines is None:
            return _Run.found(self._read(), run, plan)
        self._known[run, plan] = found = _Run(_charge(lines[0]), number)
        found.add(lines[1:])
        return found

    def _since(self, begins: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]] | None:
        with self._unbroken():
            return self._chain.since(begins)

    def _read(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        before = _BEGIN
        with self._unbroken():
            for place, link in enumerate(self._chain.walk(), 1):
                line = link.content
                if not link.chained:
                    said, before = line.pop(_HASH, None), _older_digest(before, line)
                    if said != before:
                        raise BrokenChainError(self._chain.path, place)
                lines.append(line)
        return lines

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        try:
            yield
        except BrokenChainError as error:
            raise DataError(
                f"{error.path}, line {error.line}: the account of what was told was changed or cut off; bring it back "
                "from a copy. Without one nobody can say what is left of the site's privacy budget"
            ) from None

    def _append(self, line: Mapping[str, Any]) -> None:
        self._chain.append(line)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        private_folder(self.state)
        with locked(self.state / f".{FILE}.lock"):
            yield


def spent(charges: Sequence[Charge], delta: float) -> float:
    """The epsilon of all runs together."""
    return epsilon([release for charge in charges for release in charge.releases], delta)


def _require(budget: PrivacyBudget, before: Sequence[Charge], releases: Sequence[Release]) -> None:
    told = [release for charge in before for release in charge.releases]
    needed = epsilon([*told, *releases], budget.delta)
    if needed > budget.epsilon:
        raise PrivacySpentError(
            f"the run would bring what was told to an epsilon of {needed:.3g} with delta {budget.delta:g}, and "
            f"`privacy.epsilon` in site.yaml is {budget.epsilon:g} per {budget.per} ({spent(before, budget.delta):.3g} "
            f"are spent): {needed - budget.epsilon:.3g} too much"
        )


def _charges(lines: Sequence[Mapping[str, Any]]) -> list[Charge]:
    return [_charge(line) for line in lines if line["what"] == _RUN]


def _is_charge(line: Mapping[str, Any], run: int, plan: str) -> bool:
    return (line.get("what"), line.get("run"), line.get("plan")) == (_RUN, run, plan)


def _charge(line: Mapping[str, Any]) -> Charge:
    asked, apart = (tuple(Release(*one) for one in line.get(name, ())) for name in ("releases", "apart"))
    return Charge(line["time"], line["run"], line["plan"], asked, apart)


def _plain(releases: Sequence[Release]) -> list[list[Any]]:
    return [[one.noise, one.times, one.shared, *([] if one.sampled == 1 else [one.sampled])] for one in releases]


def _older_digest(before: str, line: Mapping[str, Any]) -> str:
    """The digest that a line has which is older than the chain."""
    return hashlib.sha256((before + json.dumps(line, sort_keys=True)).encode()).hexdigest()
